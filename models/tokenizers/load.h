// One loader for each family of files; load_tokenizer() chooses among them.
#pragma once

#include <string_view>

#include "models/files.h"
#include "models/tokenizers/pipeline.h"
#include "models/tokenizers/settings.h"

namespace sesame::tokenizers {

// Each takes the bytes of the file that decided the choice and reads the others itself. Throws Error.

PipelineParts load_tokenizer_json(const FileSet& files, const Settings& settings, std::string_view bytes);

// vocab.txt, WordPiece.
PipelineParts load_bert(const FileSet& files, const Settings& settings, std::string_view bytes);

// vocab.json and merges.txt, byte-level BPE.
PipelineParts load_roberta(const FileSet& files, const Settings& settings, std::string_view vocab_bytes);

// A SentencePiece model by the conventions of ALBERT, XLM-RoBERTa, CamemBERT or DeBERTa-v2; `name` is the file's.
PipelineParts load_sentencepiece(const FileSet& files, const Settings& settings, std::string_view name,
                                 std::string_view bytes);

}  // namespace sesame::tokenizers
