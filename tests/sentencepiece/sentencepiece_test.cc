// The model file and its normalizer against the SentencePiece library, which reads the same file.
#include <sentencepiece_processor.h>

#include <fstream>
#include <random>

#include "models/json.h"
#include "models/tokenizers/charsmap.h"
#include "models/tokenizers/load.h"
#include "models/tokenizers/sentencepiece_file.h"
#include "models/tokenizers/sentencepiece_normalizer.h"
#include "models/tokenizers/unicode.h"
#include "models/tokenizers/utf8.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame;
using namespace sesame::tokenizers;

namespace {

std::vector<std::string> shared_lines(const std::filesystem::path& file, std::size_t most) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; lines.size() < most && std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Text of the kind that rules of the character map apply to: any code point at all, spaces among them.
std::string random_text(std::mt19937& random) {
  std::string text;
  for (int i = 0; i < 12; ++i) {
    const auto kind = random() % 4;
    char32_t code = kind == 0   ? U' '
                    : kind == 1 ? 0x21 + random() % 0x5E
                    : kind == 2 ? random() % 0x3100
                                : random() % 0x20000;
    if (code == 0 || (code >= 0xD800 && code < 0xE000)) code = U'.';
    append_utf8(code, text);
  }
  return text;
}

// DeBERTa-v2's convention keeps the model's ids as they are, so ours and the library's must be the same.
class SameIds {
 public:
  explicit SameIds(const std::string& bytes) {
    REQUIRE(library_.LoadFromSerializedProto(bytes).ok());
    files_ = std::make_unique<MemoryFiles>(
        "m",
        MemoryFiles::Map{{"spm.model", bytes},
                         {"tokenizer_config.json",
                          R"({"tokenizer_class": "DebertaV2Tokenizer", "unk_token": "<unk>", "pad_token": "<pad>"})"}});
    ours_ = load_tokenizer(*files_);
  }

  void check(const std::string& text) const {
    INFO(in_quotes(text));
    EncodeOptions options;
    options.add_special_tokens = false;
    const auto ids = ours_->encode(text, options).ids;
    const auto expected = library_.EncodeAsIds(text);
    REQUIRE(ids == std::vector<std::int64_t>(expected.begin(), expected.end()));
  }

 private:
  sentencepiece::SentencePieceProcessor library_;
  std::unique_ptr<MemoryFiles> files_;
  std::unique_ptr<Tokenizer> ours_;
};

}  // namespace

TEST_CASE("ids are the SentencePiece library's") {
  const auto model = test::shared_path("tokenizers/albert/spiece.model");
  if (!model) return;
  const SameIds same(test::read_bytes(*model));
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) same.check(random_text(random));
  for (const char* text : {"", " ", "   ", "a", " a  b ", "(a) \"b\".", "9,9 1,000", "\xE2\x96\x81 x \xE2\x96\x81"}) {
    same.check(text);
  }
}

TEST_CASE("ids are the SentencePiece library's for real text") {
  const auto model = test::shared_path("tokenizers/albert/spiece.model");
  const auto vectors = test::shared_path("tokenizers/mbert-uncased/vectors.jsonl");
  if (!model || !vectors) return;
  const SameIds same(test::read_bytes(*model));
  for (const std::string& line : shared_lines(*vectors, 1000)) {
    same.check(nlohmann::json::parse(line)["text"].get<std::string>());
  }
}

TEST_CASE("damaged model files are refused or read, never worse") {
  const auto model = test::shared_path("tokenizers/albert/spiece.model");
  if (!model) return;
  const std::string whole = test::read_bytes(*model);
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    std::string bytes = whole;
    if (round % 2 == 0) bytes.resize(random() % bytes.size());
    // The character map stands at the end, and is what damage can lead astray.
    for (int i = 0; i < 200; ++i) {
      const std::size_t tail = std::min<std::size_t>(bytes.size(), 250000);
      if (tail != 0) bytes[bytes.size() - 1 - random() % tail] = static_cast<char>(random());
    }
    try {
      const auto tokenizer = load_tokenizer(MemoryFiles("m", {{"spiece.model", bytes}}));
      for (int i = 0; i < 50; ++i) tokenizer->encode(random_text(random));
    } catch (const Error& error) {
      CHECK(std::string(error.what()).starts_with("m: spiece.model: expected"));
    }
  }
}

TEST_CASE("a message's lengths are checked") {
  CHECK_THROWS_AS(parse_sentencepiece("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "m"), Error);
  CHECK_THROWS_AS(parse_sentencepiece("\x0A\x05"
                                      "ab",
                                      "m"),
                  Error);
  CHECK_THROWS_AS(parse_sentencepiece("\x0B", "m"), Error);
  CHECK_THROWS_AS(parse_sentencepiece("\xFF", "m"), Error);
  CHECK(parse_sentencepiece("", "m").pieces.empty());
}

TEST_CASE("character maps with sizes that don't fit are refused") {
  using namespace std::string_literals;
  CHECK(Charsmap::parse(""));
  CHECK_FALSE(Charsmap::parse("\x04\0\0"s));
  CHECK_FALSE(Charsmap::parse("\x08\0\0\0abcd"s));
  CHECK_FALSE(Charsmap::parse("\x03\0\0\0abcd"s));
  CHECK_FALSE(Charsmap::parse("\0\0\0\0abcd"s));
}

TEST_CASE("base64") {
  CHECK(decode_base64("") == "");
  CHECK(decode_base64("Zm9vYg==") == "foob");
  CHECK(decode_base64("Zm9vYmE") == "fooba");
  CHECK(decode_base64("+/+/") == "\xFB\xFF\xBF");
  CHECK_FALSE(decode_base64("Zm9v!"));
}

TEST_CASE("what the normalizer inserts and drops keeps the places of the rest") {
  const SentencePieceNormalizer normalizer(*Charsmap::parse(""), Vocab(), {});
  Glyphs text, spare;
  decode("  a  b ", text);
  normalizer.normalize(text, spare);
  std::string out;
  encode(text, out);
  CHECK(out ==
        "\xE2\x96\x81"
        "a\xE2\x96\x81"
        "b");
  CHECK(text[0].begin == 2);
  CHECK(text[0].end == 2);
  CHECK(text[1].begin == 2);
  CHECK(text[2].begin == 3);
  CHECK(text[3].begin == 5);
  CHECK(text[3].end == 6);
}
