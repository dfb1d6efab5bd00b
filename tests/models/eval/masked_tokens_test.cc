#include "models/eval/masked_tokens.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::models {
namespace {

TEST_CASE("Every k-th token of the texts is masked in turn, special ones aside") {
  const auto tokenizer = load_tokenizer(std::filesystem::path(SESAME_SOURCE_DIR) / "models" / "intent");
  const std::vector<std::string> texts = {"set the alarm", "what time is it"};
  const auto first = tokenizer->encode(texts[0]).ids, second = tokenizer->encode(texts[1]).ids;
  REQUIRE(first.size() == 5);                                 // [CLS] set the alarm [SEP]
  REQUIRE(second.size() == 6);                                // [CLS] what time is it [SEP]
  const auto rows = mask_tokens(*tokenizer, texts, 0, 3, 1);  // tokens 1 and 4 of set the alarm what time is it
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].asked[0].position == 2);
  CHECK(rows[0].asked[0].expected == first[2]);
  CHECK(rows[1].asked[0].position == 2);
  CHECK(rows[1].asked[0].expected == second[2]);
  auto hidden = first;
  hidden[2] = *tokenizer->special_ids().mask;
  CHECK(rows[0].ids == hidden);
  CHECK(mask_tokens(*tokenizer, texts, 0, 1).size() == 7);
  CHECK(mask_tokens(*tokenizer, texts, 3, 1).size() == 2);  // cut to [CLS] token [SEP]
}

TEST_CASE("Rows that are masked already come with their labels") {
  const TemporaryFolder folder;
  const auto file = folder.write("rows.jsonl",
                                 "{\"input_ids\": [2, 7, 4, 3, 0], \"labels\": [-100, 9, -100, -100, -100], "
                                 "\"attention_mask\": [1, 1, 1, 1, 0]}\r\n\n"
                                 "{\"input_ids\": [2, 4], \"labels\": [5, 6], \"token_type_ids\": [0, 1]}\n");
  const auto rows = read_masked_rows(file);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].ids == std::vector<std::int64_t>{2, 7, 4, 3});
  REQUIRE(rows[0].asked.size() == 1);
  CHECK(rows[0].asked[0].position == 1);
  CHECK(rows[0].asked[0].expected == 9);
  CHECK(rows[1].asked.size() == 2);
  CHECK(rows[1].type_ids == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("Masked rows that make no sense are refused by file and line") {
  const TemporaryFolder folder;
  for (const char* line : {"", "7", "{", "{\"input_ids\": [1, 2]}", "{\"input_ids\": [1, 2], \"labels\": [3]}",
                           "{\"input_ids\": [1], \"labels\": [-100]}", "{\"input_ids\": [1], \"labels\": [\"a\"]}",
                           "{\"input_ids\": 1, \"labels\": [1]}",
                           "{\"input_ids\": [1, 0], \"labels\": [-100, 4], \"attention_mask\": [1, 0]}"}) {
    const auto file = folder.write("rows.jsonl", std::string("\n") + line + "\n");
    INFO(line);
    const std::string message = message_of<Error>([&] { read_masked_rows(file); });
    CHECK(message.starts_with(file.string() + (*line == '\0' ? ": expected" : ":2: ")));
    CHECK(message.find('\n') == std::string::npos);
  }
}

}  // namespace
}  // namespace sesame::models
