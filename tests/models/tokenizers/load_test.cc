#include "models/tokenizers/load.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/models/tokenizers/tiny.h"
#include "tests/support.h"

using namespace sesame;
using test::bert_json;
using test::tiny_vocab;
using test::vocab_txt;
using Json = nlohmann::json;
using Ids = std::vector<std::int64_t>;

namespace {

std::string error_of(const MemoryFiles::Map& files) {
  try {
    load_tokenizer(MemoryFiles("m", files));
  } catch (const Error& error) {
    const std::string line = error.what();
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.starts_with("m: "));
    return line;
  }
  return "no error";
}

std::string json_error(const Json& json) { return error_of({{"tokenizer.json", json.dump()}}); }

// The error of the tiny tokenizer.json with one place changed.
template <typename Change>
std::string changed(Change change) {
  Json json = bert_json();
  change(json);
  return json_error(json);
}

bool has(const std::string& line, const std::string& part) {
  INFO(line);
  CHECK(line.find(part) != std::string::npos);
  return true;
}

std::unique_ptr<Tokenizer> load_json(const Json& json) {
  return load_tokenizer(MemoryFiles("m", {{"tokenizer.json", json.dump()}}));
}

Json small_bpe() {
  Json json = {
      {"model",
       {{"type", "BPE"},
        {"vocab",
         {{"<s>", 0},
          {"</s>", 1},
          {"a", 2},
          {"b", 3},
          {"\xC4\xA0", 4},
          {"ab", 5},
          {"\xC4\xA0"
           "ab",
           6}}},
        {"merges", {"a b", "\xC4\xA0 ab"}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", true}}},
      {"post_processor",
       {{"type", "RobertaProcessing"}, {"cls", {"<s>", 0}}, {"sep", {"</s>", 1}}, {"add_prefix_space", true}}}};
  return json;
}

}  // namespace

TEST_CASE("a folder without a tokenizer") {
  const test::TempDir folder;
  CHECK_THROWS_AS(load_tokenizer(folder.path()), Error);
  CHECK_THROWS_AS(load_tokenizer(folder.path() / "nowhere"), Error);
  folder.write("vocab.txt/x", "a folder where a file should be");
  CHECK_THROWS_AS(load_tokenizer(folder.path()), Error);
}

TEST_CASE("vocab.txt and tokenizer.json mean the same") {
  const auto folder = test::shared_path("models/intent");
  const auto vectors = test::shared_path("tokenizers/bert-uncased/vectors.jsonl");
  if (!folder || !vectors) return;
  const FolderFiles files(*folder);
  const auto json = load_tokenizer(files);
  const auto txt = load_tokenizer(MemoryFiles("m", {{"vocab.txt", *files.read("vocab.txt")}}));
  CHECK(json->vocab_size() == txt->vocab_size());
  CHECK(json->special_ids().mask == txt->special_ids().mask);
  const std::string lines = test::read_bytes(*vectors);
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    const std::string text = Json::parse(lines.substr(at, end - at))["text"];
    INFO(text);
    const Encoding a = json->encode(text), b = txt->encode(text);
    REQUIRE(a.ids == b.ids);
    REQUIRE(a.offsets == b.offsets);
    at = end + 1;
  }
}

TEST_CASE("lines of vocab.txt") {
  const auto ids = [](std::string vocab, const char* text) {
    return load_tokenizer(MemoryFiles("m", {{"vocab.txt", std::move(vocab)}}))->encode(text).ids;
  };
  CHECK(ids("[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n", "a b") == Ids{1, 3, 0, 2});
  CHECK(ids("[UNK]\n[CLS]\n[SEP]\na", "a") == Ids{1, 3, 2});
  CHECK(ids("[UNK]\n[CLS]\n[SEP]\n\na", "a") == Ids{1, 4, 2});
  CHECK(ids("[UNK]\n[CLS]\n[SEP]\na\na\n", "a") == Ids{1, 4, 2});  // the last of two counts
}

TEST_CASE("settings beside vocab.txt") {
  const auto load = [](const Json& config, const char* extra) {
    return load_tokenizer(
        MemoryFiles("m", {{"vocab.txt", vocab_txt() + extra}, {"tokenizer_config.json", config.dump()}}));
  };
  CHECK(load({{"do_lower_case", true}}, "")->encode("RUN").ids == Ids{2, 7, 3});
  CHECK(load({{"do_lower_case", false}}, "")->encode("RUN").ids == Ids{2, 1, 3});
  CHECK(load(Json::object(), "B\n")->encode("RUN").ids ==
        Ids{2, 1, 3});  // a vocabulary with capitals, so text keeps its own
  CHECK(load({{"do_lower_case", true}, {"strip_accents", false}}, "")->encode("Caf\xC3\xA9").ids == Ids{2, 1, 3});
  CHECK(
      load({{"tokenize_chinese_chars", false}}, "\xE4\xBD\xA0\xE5\xA5\xBD\n")->encode("\xE4\xBD\xA0\xE5\xA5\xBD").ids ==
      Ids{2, 15, 3});
  const auto named =
      load({{"mask_token", {{"content", "<m>"}}}, {"added_tokens_decoder", {{"20", {{"content", "<m>"}}}}}}, "");
  CHECK(named->encode("a<m>").ids == Ids{2, 5, 20, 3});
  CHECK(named->special_ids().mask == 20);
  CHECK(named->vocab_size() == 21);
}

TEST_CASE("vocab.txt without what is needed") {
  CHECK(error_of({{"vocab.txt", "a\nb\n"}}) == "m: vocab.txt: expected a token \"[CLS]\", found none");
  CHECK(error_of({{"vocab.txt", ""}}) == "m: vocab.txt: expected a token \"[CLS]\", found none");
  CHECK(error_of({{"vocab.txt", "[CLS]\n[SEP]\n"}}) == "m: vocab.txt: expected a token \"[UNK]\", found none");
  has(error_of(
          {{"vocab.txt", vocab_txt()}, {"tokenizer_config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})"}}),
      "m: tokenizer_config.json: tokenizer_class: expected");
  has(error_of({{"vocab.txt", vocab_txt()}, {"tokenizer_config.json", R"({"do_lower_case": "yes"})"}}),
      "m: tokenizer_config.json: do_lower_case: expected true or false, found \"yes\"");
  has(error_of({{"vocab.txt", vocab_txt()}, {"tokenizer_config.json", "{"}}),
      "m: tokenizer_config.json: expected JSON");
  has(error_of({{"vocab.txt", vocab_txt()}, {"added_tokens.json", R"({"x": 4000000000})"}}),
      "added_tokens.json: x: expected");
  has(error_of({{"vocab.txt", vocab_txt()},
                {"tokenizer_config.json", R"({"added_tokens_decoder": {"4000000000": {"content": "x"}}})"}}),
      "expected an id from 0 to");
}

TEST_CASE("truncated and odd tokenizer.json") {
  const std::string whole = bert_json().dump();
  for (std::size_t size = 0; size < whole.size(); size += 17) {
    has(error_of({{"tokenizer.json", whole.substr(0, size)}}),
        "m: tokenizer.json: expected JSON, found a syntax error");
  }
  has(error_of({{"tokenizer.json", "7"}}), "m: tokenizer.json: expected an object, found 7");
  has(error_of({{"tokenizer.json", "{}"}}), "m: tokenizer.json: expected a field \"model\", found none");
  has(error_of({{"tokenizer.json", std::string("\xFF\xFE{", 3)}}), "m: tokenizer.json: expected JSON");
}

TEST_CASE("ids that can't be") {
  using T = Json;
  has(changed([](T& j) { j["model"]["vocab"]["run"] = -1; }),
      "model.vocab.run: expected an integer from 0 to 65536, found -1");
  has(changed([](T& j) { j["model"]["vocab"]["run"] = 1000000000; }),
      "model.vocab.run: expected an integer from 0 to 65536");
  has(changed([](T& j) { j["model"]["vocab"]["run"] = 18446744073709551615u; }),
      "model.vocab.run: expected an integer");
  has(changed([](T& j) { j["model"]["vocab"]["run"] = "7"; }), "model.vocab.run: expected an integer");
  has(changed([](T& j) { j["model"]["vocab"]["run"] = 7.5; }), "model.vocab.run: expected an integer");
  has(changed([](T& j) { j["model"]["vocab"]["zebra"] = 7; }),
      "model.vocab.zebra: expected an id that no other token has");
  has(changed([](T& j) { j["model"]["vocab"] = T::object(); }),
      "model.vocab: expected a vocabulary, found an empty one");
  has(changed([](T& j) { j["model"]["vocab"] = T::array(); }), "model.vocab: expected an object");
  has(changed([](T& j) { j["model"]["unk_token"] = "?"; }),
      "model.unk_token: expected a token of the vocabulary, found \"?\"");
  has(changed([](T& j) { j["model"].erase("unk_token"); }), "model: expected a field \"unk_token\", found none");
  has(changed([](T& j) { j["added_tokens"][0]["id"] = 99999999; }), "added_tokens[0].id: expected an integer");
  has(changed([](T& j) { j["added_tokens"][0].erase("content"); }), "added_tokens[0]: expected a field \"content\"");
  has(changed([](T& j) { j["post_processor"]["sep"][1] = 99999999; }), "post_processor.sep[1]: expected an integer");
}

TEST_CASE("stages that aren't known are refused by name") {
  using T = Json;
  has(changed([](T& j) { j["model"]["type"] = "Morse"; }),
      "model.type: expected WordPiece, BPE or Unigram, found \"Morse\"");
  has(changed([](T& j) { j["normalizer"]["type"] = "Nmt"; }), "normalizer.type: expected BertNormalizer, ");
  has(changed([](T& j) {
        j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "X"}}}}};
      }),
      "normalizer.normalizers[0].type: expected");
  has(changed([](T& j) {
        j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "(?<=x)"}}}, {"content", ""}};
      }),
      "normalizer.pattern.Regex: expected one of the regular expressions that are known, found \"(?<=x)\"");
  has(changed([](T& j) {
        j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "!"}};
      }),
      "normalizer.precompiled_charsmap: expected base64");
  has(changed([](T& j) {
        j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAAAAA=="}};
      }),
      "expected a SentencePiece character map");
  has(changed([](T& j) { j["pre_tokenizer"]["type"] = "UnicodeScripts"; }),
      "pre_tokenizer.type: expected BertPreTokenizer");
  has(changed([](T& j) { j["post_processor"]["type"] = "X"; }), "post_processor.type: expected TemplateProcessing");
  has(changed([](T& j) {
        j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", T::array()}, {"pair", T::array()}};
      }),
      "post_processor.single: expected the sequence A once");
  has(changed([](T& j) {
        j["post_processor"] = {{"type", "TemplateProcessing"},
                               {"single", {{{"SpecialToken", {{"id", "[X]"}, {"type_id", 0}}}}}},
                               {"special_tokens", T::object()},
                               {"pair", T::array()}};
      }),
      "post_processor.special_tokens: expected a field \"[X]\", found none");
}

TEST_CASE("byte-level BPE from tokenizer.json") {
  const auto bpe = load_json(small_bpe());
  const Encoding encoding = bpe->encode("ab ab");
  CHECK(encoding.ids == Ids{0, 6, 6, 1});
  CHECK(encoding.offsets == std::vector<Offset>{{0, 0}, {0, 2}, {3, 5}, {0, 0}});  // without the spaces
  CHECK(bpe->encode("a", "b").ids == Ids{0, 4, 2, 1, 1, 4, 3, 1});
  CHECK(bpe->encode("a", "b").type_ids == Ids{0, 0, 0, 0, 1, 1, 1, 1});
}

TEST_CASE("merges of tokens that aren't there") {
  Json json = small_bpe();
  json["model"]["merges"].push_back("a x");
  has(json_error(json), "model.merges[2]: expected two tokens whose join is one, all of the vocabulary, found \"a x\"");
  json["model"]["merges"][2] = {"a", "b"};
  CHECK_NOTHROW(load_json(json));
  json["model"]["merges"][2] = 7;
  has(json_error(json), "model.merges[2]: expected");
  const std::string vocab = R"({"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3, "b": 4, "ab": 5})";
  has(error_of({{"vocab.json", vocab}}), "m: merges.txt: expected it beside vocab.json, found no such file");
  has(error_of({{"vocab.json", vocab}, {"merges.txt", "#version: 0.2\na b\nb a\n"}}),
      "m: merges.txt: line 3: expected");
  const auto roberta =
      load_tokenizer(MemoryFiles("m", {{"vocab.json", vocab}, {"merges.txt", "#version: 0.2\na b\n"}}));
  CHECK(roberta->encode("aab").ids == Ids{0, 3, 5, 1});
  has(error_of({{"vocab.json", R"({"<s>": 0, "</s>": 1, "a": 2})"}, {"merges.txt", ""}}), "expected a token \"<unk>\"");
}

TEST_CASE("vocab.json with merges.txt means what tokenizer.json does") {
  const auto folder = test::shared_path("tokenizers/roberta");
  if (!folder) return;
  const FolderFiles files(*folder);
  const auto json = load_tokenizer(files);
  const auto parts = load_tokenizer(
      MemoryFiles("m", {{"vocab.json", *files.read("vocab.json")}, {"merges.txt", *files.read("merges.txt")}}));
  for (const char* text : {"", "Hello world's  best", "caf\xC3\xA9 \xF0\x9F\x98\x80 <mask> x", "\n\n 12 <s>"}) {
    INFO(text);
    CHECK(json->encode(text).ids == parts->encode(text).ids);
    CHECK(json->encode(text).offsets == parts->encode(text).offsets);
  }
  CHECK(json->encode("a <mask>").offsets == std::vector<Offset>{{0, 0}, {0, 1}, {1, 8}, {0, 0}});
}

TEST_CASE("unigram from tokenizer.json") {
  Json json = {{"normalizer",
                {{"type", "Sequence"},
                 {"normalizers",
                  {{{"type", "Replace"}, {"pattern", {{"String", "``"}}}, {"content", "\""}},
                   {{"type", "NFKD"}},
                   {{"type", "StripAccents"}},
                   {{"type", "Lowercase"}},
                   {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}}}}},
               {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "\xE2\x96\x81"}, {"add_prefix_space", true}}},
               {"model",
                {{"type", "Unigram"},
                 {"unk_id", 0},
                 {"vocab", Json::array({{"<unk>", 0.0},
                                        {"\xE2\x96\x81", -2.0},
                                        {"e", -3.0},
                                        {"\xE2\x96\x81"
                                         "e",
                                         -4.0},
                                        {"\"", -3.5}})}}}};
  const auto unigram = load_json(json);
  CHECK(unigram->encode("\xC3\x89   e``x").ids == Ids{3, 3, 4, 0});
  CHECK(unigram->encode("\xC3\x89   e``x").offsets == std::vector<Offset>{{0, 1}, {1, 5}, {5, 7}, {7, 8}});
  CHECK(unigram->special_ids().unk == 0);
  json["model"]["unk_id"] = 9;
  has(json_error(json), "model.unk_id: expected an integer from 0 to 4, found 9");
  json["model"]["unk_id"] = 0;
  json["model"]["vocab"][2] = {"e"};
  has(json_error(json), "model.vocab[2]: expected a piece and its score");
  json["model"]["vocab"] = Json::array();
  has(json_error(json), "model.vocab: expected a vocabulary, found an empty one");
}

TEST_CASE("the files to pack with a model") {
  const MemoryFiles files("m", {{"vocab.txt", vocab_txt()}, {"tokenizer_config.json", "{}"}, {"spiece.model", ""}});
  CHECK(tokenizer_files(files) == std::vector<std::string>{"vocab.txt", "tokenizer_config.json"});
  CHECK(tokenizer_files(MemoryFiles("m", {})).empty());
}
