"""Trains the intent model on CLINC150 "plus", from nothing.

Run in a folder that holds data_oos_plus.json; needs torch, transformers, numpy and sentencepiece. Writes
ckpt/ (the Hugging Face checkpoint), vocab.txt and labels.json, and leaves corpus.txt and sp.{model,vocab} behind.

Two phases over the same utterances: a masked-language warm-up, then classification. Environment:
  TH   threads (2)
  MLM  epochs of the warm-up (10)
  EP   epochs of classification (8)
"""

import json
import os
import random
import re
import time
import unicodedata

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from transformers import DistilBertConfig, DistilBertForSequenceClassification

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNK, CLS, SEP, MASK = 1, 2, 3, 4  # Their places in the vocabulary; [PAD] is 0, and every real piece is above MASK.
MAX_TOKENS = 48  # A cut for training only: the model has 64 positions.
HIDDEN = 256
BATCH = 64
BUCKET = 20 * BATCH  # Rows of like length are batched together, within a bucket of this many shuffled rows.


def load_data(path):
    """The label list (out-of-scope last) and {split: [(text, label id)]}."""
    data = json.load(open(path))
    labels = sorted(set(label for _, label in data["train"])) + ["oos"]
    ids = {label: i for i, label in enumerate(labels)}
    splits = {
        split: [(text, ids[label]) for text, label in data[split] + data["oos_" + split]]
        for split in ("train", "val", "test")
    }
    return labels, splits


def split_words(text):
    """Lower case without accents; runs of letters and digits, and every other character by itself."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    return re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text)


def wordpieces(piece):
    """The WordPiece spellings of one SentencePiece piece, whose word start is marked by U+2581."""
    if piece.startswith("\u2581"):
        return [piece[1:]]
    if len(piece) == 1:
        return ["##" + piece, piece]  # A single character may also begin a word, so that every word can be spelled.
    return ["##" + piece]


def learn_vocab(texts):
    """Learns a BPE vocabulary of 3,000 pieces and writes it as the WordPiece list vocab.txt."""
    open("corpus.txt", "w").write("\n".join(" ".join(split_words(text)) for text in texts))
    spm.SentencePieceTrainer.train(
        input="corpus.txt",
        model_prefix="sp",
        vocab_size=3000,
        model_type="bpe",
        character_coverage=1.0,
        minloglevel=2,
    )
    model = spm.SentencePieceProcessor(model_file="sp.model")
    vocab = list(SPECIAL_TOKENS)
    seen = set(vocab)
    for i in range(model.get_piece_size()):
        piece = model.id_to_piece(i)
        if piece in ("<unk>", "<s>", "</s>"):
            continue
        for word in wordpieces(piece):
            if word and word not in seen:
                seen.add(word)
                vocab.append(word)
    open("vocab.txt", "w").write("\n".join(vocab) + "\n")
    return vocab


def encode_word(word, ids):
    """Greedy longest match from the left; [UNK] for the whole word when a part has no piece."""
    out = []
    start = 0
    while start < len(word):
        end = len(word)
        while end > start:
            piece = ("##" if start else "") + word[start:end]
            if piece in ids:
                out.append(ids[piece])
                break
            end -= 1
        if end == start:
            return [UNK]
        start = end
    return out


def encode(text, ids):
    tokens = [token for word in split_words(text) for token in encode_word(word, ids)]
    return [CLS] + tokens[: MAX_TOKENS - 2] + [SEP]


def batch_order(rows, batch, shuffle):
    """Row numbers by batch, rows of like length together so that little is padded."""

    def length(j):
        return len(rows[j][0])

    order = list(range(len(rows)))
    if shuffle:
        random.shuffle(order)
        buckets = [sorted(order[i : i + BUCKET], key=length) for i in range(0, len(order), BUCKET)]
        order = [j for bucket in buckets for j in bucket]
    else:
        order.sort(key=length)
    batches = [order[i : i + batch] for i in range(0, len(order), batch)]
    if shuffle:
        random.shuffle(batches)
    return batches


def batches(rows, batch, shuffle):
    """Yields (ids, attention mask, labels), padded to the longest row of the batch."""
    for members in batch_order(rows, batch, shuffle):
        longest = max(len(rows[j][0]) for j in members)
        ids = torch.zeros(len(members), longest, dtype=torch.long)
        mask = torch.zeros(len(members), longest, dtype=torch.long)
        for r, j in enumerate(members):
            row = rows[j][0]
            ids[r, : len(row)] = torch.tensor(row)
            mask[r, : len(row)] = 1
        yield ids, mask, torch.tensor([rows[j][1] for j in members])


def make_model(vocab, labels):
    config = DistilBertConfig(
        vocab_size=len(vocab),
        dim=HIDDEN,
        hidden_dim=4 * HIDDEN,
        n_layers=4,
        n_heads=4,
        max_position_embeddings=64,
        num_labels=len(labels),
        dropout=0.2,
        attention_dropout=0.1,
        seq_classif_dropout=0.3,
        id2label={i: label for i, label in enumerate(labels)},
        label2id={label: i for i, label in enumerate(labels)},
    )
    return DistilBertForSequenceClassification(config)


def accuracy(model, rows, oos):
    """Accuracy over all rows, and over those that are in scope."""
    model.eval()
    right = count = right_in_scope = count_in_scope = 0
    with torch.no_grad():
        for ids, mask, want in batches(rows, 128, False):
            got = model(input_ids=ids, attention_mask=mask).logits.argmax(-1)
            in_scope = want != oos
            right += (got == want).sum().item()
            count += len(want)
            right_in_scope += (got[in_scope] == want[in_scope]).sum().item()
            count_in_scope += in_scope.sum().item()
    return right / count, right_in_scope / count_in_scope


def descend(model, optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def warm_up(model, rows, vocab_size, epochs):
    """Masked-language training: a fifth of the pieces is asked for, and 85 % of those are hidden."""
    head = torch.nn.Linear(HIDDEN, vocab_size)
    parameters = list(model.parameters()) + list(head.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=6e-4, weight_decay=0.01)
    for epoch in range(epochs):
        model.train()
        start = time.time()
        total = 0
        steps = 0
        for ids, mask, _ in batches(rows, BATCH, True):
            asked = (torch.rand(ids.shape) < 0.2) & (ids > MASK)
            if asked.sum() == 0:
                continue
            hidden = ids.clone()
            hidden[asked & (torch.rand(ids.shape) < 0.85)] = MASK
            states = model.distilbert(input_ids=hidden, attention_mask=mask)[0]
            loss = F.cross_entropy(head(states[asked]), ids[asked])
            descend(model, optimizer, loss)
            total += loss.item()
            steps += 1
        print("mlm", epoch, total / steps, time.time() - start, flush=True)


def classify(model, splits, oos, epochs):
    """Classification with smoothed labels; 8 % of the pieces become [UNK], so that no single word decides."""
    total_steps = epochs * (len(splits["train"]) // BATCH + 1) + 10
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-4, total_steps=total_steps, pct_start=0.1)
    for epoch in range(epochs):
        model.train()
        start = time.time()
        total = 0
        steps = 0
        for ids, mask, want in batches(splits["train"], BATCH, True):
            dropped = (torch.rand(ids.shape) < 0.08) & (ids > MASK)
            ids = torch.where(dropped, torch.full_like(ids, UNK), ids)
            logits = model(input_ids=ids, attention_mask=mask).logits
            loss = F.cross_entropy(logits, want, label_smoothing=0.1)
            descend(model, optimizer, loss)
            schedule.step()
            total += loss.item()
            steps += 1
        scores = "val all/in-scope %.4f %.4f" % accuracy(model, splits["val"], oos)
        print("cls", epoch, "%.3f" % (total / steps), scores, "%.0fs" % (time.time() - start), flush=True)


def seed_everything():
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    torch.set_num_threads(int(os.environ.get("TH", "2")))


def main():
    seed_everything()
    labels, texts = load_data("data_oos_plus.json")
    print(len(texts["train"]), len(texts["val"]), len(texts["test"]), len(labels))
    vocab = learn_vocab([text for text, _ in texts["train"]])
    print("vocab", len(vocab))
    piece_ids = {word: i for i, word in enumerate(vocab)}
    splits = {split: [(encode(text, piece_ids), label) for text, label in rows] for split, rows in texts.items()}
    unknown = np.mean([UNK in ids for ids, _ in splits["test"]])
    print("unk", unknown, "len", np.mean([len(ids) for ids, _ in splits["test"]]))

    model = make_model(vocab, labels)
    print(sum(p.numel() for p in model.parameters()) / 1e6, "M")
    oos = len(labels) - 1
    warm_up(model, splits["train"], len(vocab), int(os.environ.get("MLM", "10")))
    classify(model, splits, oos, int(os.environ.get("EP", "8")))
    print("TEST all/in-scope %.4f %.4f" % accuracy(model, splits["test"], oos))
    model.save_pretrained("ckpt")
    json.dump(labels, open("labels.json", "w"))


if __name__ == "__main__":
    main()
