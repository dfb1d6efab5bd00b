#include "models/tokenizers/pipeline.h"

#include <algorithm>
#include <thread>

#include "tests/catch.h"
#include "tests/models/tokenizers/tiny.h"

using namespace sesame;
using test::bert_json;
using test::load_bert;
using test::tiny_vocab;
using Strings = std::vector<std::string>;
using Ids = std::vector<std::int64_t>;
using Offsets = std::vector<Offset>;

namespace {

EncodeOptions with_tokens(std::size_t max_length = 0) {
  EncodeOptions options;
  options.max_length = max_length;
  options.with_tokens = true;
  return options;
}

Strings tokens(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, with_tokens()).tokens;
}

}  // namespace

TEST_CASE("words and their parts") {
  const auto bert = load_bert();
  CHECK(tokens(*bert, "Run, running!") == Strings{"[CLS]", "run", ",", "run", "##ning", "[UNK]", "[SEP]"});
  CHECK(tokens(*bert, "") == Strings{"[CLS]", "[SEP]"});
  CHECK(tokens(*bert, " \t\n ") == Strings{"[CLS]", "[SEP]"});
  CHECK(tokens(*bert, std::string(101, 'a')) == Strings{"[CLS]", "[UNK]", "[SEP]"});
  CHECK(tokens(*bert, std::string(100, 'a')).size() == 102);
}

TEST_CASE("offsets are places in the original text") {
  const auto bert = load_bert();
  // ca f e-acute, in one code point; then the same in two
  CHECK(bert->encode("a Caf\xC3\xA9!").offsets == Offsets{{0, 0}, {0, 1}, {2, 6}, {6, 7}, {0, 0}});
  CHECK(bert->encode("a Cafe\xCC\x81 a").offsets == Offsets{{0, 0}, {0, 1}, {2, 6}, {8, 9}, {0, 0}});
  // a dropped control character, a zero-width space inside a word
  CHECK(bert->encode("\x01"
                     "a ru\xE2\x80\x8Bn")
            .offsets == Offsets{{0, 0}, {1, 2}, {3, 7}, {0, 0}});
  // a capital whose lower case is two code points, of which one is an accent
  CHECK(bert->encode("\xC4\xB0 a").offsets == Offsets{{0, 0}, {0, 1}, {2, 3}, {0, 0}});
  // ideographs stand alone
  CHECK(bert->encode("a\xE4\xBD\xA0\xE5\xA5\xBD"
                     "a")
            .offsets == Offsets{{0, 0}, {0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 0}});
  // parts of a word
  CHECK(bert->encode("RUNning").offsets == Offsets{{0, 0}, {0, 3}, {3, 7}, {0, 0}});
}

TEST_CASE("pairs have type ids, and offsets in their own text") {
  const auto bert = load_bert();
  const Encoding encoding = bert->encode("a run", "run a", with_tokens());
  CHECK(encoding.tokens == Strings{"[CLS]", "a", "run", "[SEP]", "run", "a", "[SEP]"});
  CHECK(encoding.type_ids == Ids{0, 0, 0, 0, 1, 1, 1});
  CHECK(encoding.offsets == Offsets{{0, 0}, {0, 1}, {2, 5}, {0, 0}, {0, 3}, {4, 5}, {0, 0}});
}

TEST_CASE("an empty second text keeps its separator with vocab.txt and is none with tokenizer.json") {
  CHECK(load_bert()->encode("a", "").ids.size() == 4);
  CHECK(load_bert()->encode("a", "").type_ids == Ids{0, 0, 0, 1});
  const auto json = load_tokenizer(MemoryFiles("m", {{"tokenizer.json", bert_json().dump()}}));
  CHECK(json->encode("a", "").ids.size() == 3);
}

TEST_CASE("a long text loses its end and says so") {
  const auto bert = load_bert();
  const Encoding cut = bert->encode("a run a run a", with_tokens(5));
  CHECK(cut.tokens == Strings{"[CLS]", "a", "run", "a", "[SEP]"});
  CHECK(cut.truncated);
  CHECK_FALSE(bert->encode("a run a", with_tokens(5)).truncated);
  CHECK(bert->encode("a run a", with_tokens(2)).tokens == Strings{"[CLS]", "[SEP]"});
  CHECK(bert->encode("a run a", with_tokens(1)).tokens == Strings{"[CLS]", "[SEP]"});
  EncodeOptions bare = with_tokens(2);
  bare.add_special_tokens = false;
  CHECK(bert->encode("a run a", bare).tokens == Strings{"a", "run"});
}

TEST_CASE("of a pair the longer text loses first") {
  const auto bert = load_bert();
  const auto lengths = [&](int first, int second, std::size_t max_length) {
    std::string a, b;
    for (int i = 0; i < first; ++i) a += "a ";
    for (int i = 0; i < second; ++i) b += "run ";
    const Encoding encoding = bert->encode(a, b, with_tokens(max_length));
    CHECK(encoding.ids.size() <= max_length);
    const auto count = [&](const char* token) {
      return std::count(encoding.tokens.begin(), encoding.tokens.end(), token);
    };
    return std::pair<long, long>(count("a"), count("run"));
  };
  CHECK(lengths(10, 2, 9) == std::pair<long, long>(4, 2));
  CHECK(lengths(2, 10, 9) == std::pair<long, long>(2, 4));
  CHECK(lengths(10, 10, 9) == std::pair<long, long>(3, 3));
  CHECK(lengths(10, 10, 10) == std::pair<long, long>(3, 4));
  CHECK(lengths(11, 10, 10) == std::pair<long, long>(4, 3));
  CHECK(lengths(3, 3, 8) == std::pair<long, long>(2, 3));
  CHECK(lengths(3, 3, 9) == std::pair<long, long>(3, 3));
  CHECK(lengths(3, 3, 3) == std::pair<long, long>(0, 0));
}

TEST_CASE("any bytes are text") {
  const auto bert = load_bert();
  CHECK(tokens(*bert, std::string_view("a\0run\xFFrun\xED\xA0\x80", 12)) == Strings{"[CLS]", "[UNK]", "[SEP]"});
  CHECK(bert->encode("\xFF\xFE"
                     " a")
            .offsets == Offsets{{0, 0}, {3, 4}, {0, 0}});
  CHECK(bert->encode(std::string(1, '\0')).ids.size() == 2);
  std::string noise;
  std::uint32_t state = 1;
  for (int i = 0; i < 100000; ++i) noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  CHECK(bert->encode(noise).ids.size() > 2);
}

TEST_CASE("a line of a megabyte") {
  const auto bert = load_bert();
  const Encoding encoding = bert->encode(std::string(1 << 20, 'a'), with_tokens(64));
  CHECK(encoding.tokens == Strings{"[CLS]", "[UNK]", "[SEP]"});
  std::string many;
  for (int i = 0; i < 1 << 19; ++i) many += "a ";
  const Encoding cut = bert->encode(many, with_tokens(64));
  CHECK(cut.ids.size() == 64);
  CHECK(cut.truncated);
}

TEST_CASE("special tokens are found in the text") {
  const auto bert = load_bert();
  CHECK(tokens(*bert, "a[MASK]a") == Strings{"[CLS]", "a", "[MASK]", "a", "[SEP]"});
  CHECK(bert->encode("a [MASK] a").offsets == Offsets{{0, 0}, {0, 1}, {2, 8}, {9, 10}, {0, 0}});
  CHECK(tokens(*bert, "[mask]").size() > 3);
  CHECK(tokens(*bert, "[MASK") != Strings{"[CLS]", "[MASK]", "[SEP]"});
}

TEST_CASE("added tokens and their settings") {
  auto json = bert_json();
  const auto add = [&](const char* content, int id, const char* setting) {
    nlohmann::json token = {{"content", content}, {"id", id}};
    if (*setting != '\0') token[setting] = true;
    json["added_tokens"].push_back(token);
  };
  add("<L>", 100, "lstrip");
  add("<R>", 101, "rstrip");
  add("one", 102, "single_word");
  add("<Case>", 103, "normalized");
  add("<L><R>", 104, "");
  add("ab\xC3\xA9", 105, "special");
  const auto bert = load_tokenizer(MemoryFiles("m", {{"tokenizer.json", json.dump()}}));
  CHECK(bert->vocab_size() == 106);
  CHECK(bert->encode("a  <L> a").offsets == Offsets{{0, 0}, {0, 1}, {1, 6}, {7, 8}, {0, 0}});
  CHECK(bert->encode("a <R>  a").offsets == Offsets{{0, 0}, {0, 1}, {2, 7}, {7, 8}, {0, 0}});
  const auto ids = [&](const char* text) { return bert->encode(text).ids; };
  CHECK(ids("one")[1] == 102);
  CHECK(ids("a one.")[2] == 102);
  CHECK(ids("aone")[1] != 102);
  CHECK(ids("one_")[1] != 102);
  CHECK(ids("<Case>") == Ids{2, 103, 3});
  CHECK(ids("a<cASE>a") == Ids{2, 5, 103, 5, 3});  // looked for in the lowered text, in its own lowered form
  CHECK(ids("<L><R>") == Ids{2, 104, 3});          // the longest
  CHECK(ids("<L> <R>") == Ids{2, 100, 101, 3});
  CHECK(ids("ab\xC3\xA9") == Ids{2, 105, 3});
  CHECK(ids("abe") != Ids{2, 105, 3});
  CHECK(bert->is_special(105));
  CHECK_FALSE(bert->is_special(104));
  CHECK(bert->token(104) == "<L><R>");
  CHECK(bert->id("<L><R>") == 104);
  CHECK(bert->token(99).empty());
}

TEST_CASE("what a tokenizer tells of itself") {
  const auto bert = load_bert();
  CHECK(bert->special_ids().pad == 0);
  CHECK(bert->special_ids().unk == 1);
  CHECK(bert->special_ids().cls == 2);
  CHECK(bert->special_ids().sep == 3);
  CHECK(bert->special_ids().mask == 4);
  CHECK(bert->vocab_size() == static_cast<std::int64_t>(tiny_vocab().size()));
  CHECK(bert->token(8) == "##ning");
  CHECK(bert->token(-1).empty());
  CHECK(bert->token(1000000000000).empty());
  CHECK(bert->id("run") == 7);
  CHECK_FALSE(bert->id("nowhere"));
  CHECK(bert->is_special(4));
  CHECK_FALSE(bert->is_special(7));
}

TEST_CASE("threads share a tokenizer") {
  const auto bert = load_bert();
  const auto expected = bert->encode("a running you [MASK]").ids;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Encoding encoding;
      for (int round = 0; round < 500; ++round) {
        bert->encode_into("a running you [MASK]", nullptr, {}, encoding);
        wrong[i] += encoding.ids != expected;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}
