#include "bench/arrivals.h"
#include "bench/tasks/list.h"
#include "bench/tasks/squad_windows.h"
#include "models/model.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame;
using namespace sesame::bench;

namespace {

const LoadedModel& intent() {
  static const auto model = Model::load(std::string(SESAME_SOURCE_DIR) + "/models/intent");
  return model->loaded();
}

double value(const std::vector<Metric>& metrics, const char* name) {
  const Metric* metric = find_metric(metrics, name);
  REQUIRE(metric != nullptr);
  return metric->value;
}

}  // namespace

TEST_CASE("a classification task: argmax against the labels, with and without what is out of scope") {
  models::ExampleFile data;
  data.examples = {{"a", {}, "balance"}, {"b", {}, "oos"}, {"c", {}, "alarm"}};
  const auto task = make_classification_task(data, intent());
  const auto& labels = intent().labels;
  const auto logits = [&](const char* label) {
    std::vector<float> row(labels.size(), 0.0F);
    row[static_cast<std::size_t>(std::ranges::find(labels, label) - labels.begin())] = 1;
    return row;
  };
  const Answers answers = {logits("balance"), logits("alarm"), logits("alarm")};
  const auto metrics = task->metrics(answers);
  CHECK(metrics[0].name == "accuracy");
  CHECK(metrics[0].value == Approx(2.0 / 3));
  CHECK(value(metrics, "accuracy_in_scope") == 1);
  CHECK(task->decisions(answers) == std::vector<std::string>{"balance", "alarm", "alarm"});
}

TEST_CASE("what is compared with fp32, worked out by hand") {
  models::ExampleFile data;
  data.examples = {{"a", {}, "balance"}, {"b", {}, "balance"}};
  const auto task = make_classification_task(data, intent());
  const Answers reference = {{3, 0, 4}, {0, 5, 0}};
  const Answers other = {{3, 0, 3.5F}, {5, 0, 0}};
  const auto metrics = compare_with_reference(*task, other, reference);
  CHECK(value(metrics, "agreement") == 0.5);
  CHECK(value(metrics, "logit_error") == 5);
  CHECK(value(metrics, "snr_db") == Approx(10 * std::log10(50.0 / 50.25)));
  CHECK(value(metrics, "cosine_to_fp32") == Approx(0).margin(1e-12));
}

TEST_CASE("an embedding is the mean of the real tokens' states, and pairs are ranked by their cosine") {
  models::ExampleFile data{.kind = models::ExampleKind::similarity, .examples = {}};
  data.examples = {{"a", "b", "5"}, {"c", "d", "1"}, {"e", "f", "3"}};
  const auto task = make_embedding_task(data, intent());
  CHECK(task->rows().size() == 6);
  const std::vector<std::int64_t> shape = {1, 3, 2};
  const std::vector<float> states = {1, 2, 3, 4};  // two real tokens of two values
  const std::vector<RowOutput> outputs = {{"last_hidden_state", shape, states}};
  CHECK(task->keep(0, outputs) == std::vector<float>{2, 3});
  const Answers answers = {{1, 0}, {1, 0}, {1, 0}, {0, 1}, {1, 0}, {1, 1}};  // cosines 1, 0, 0.707: the gold order
  CHECK(task->metrics(answers)[0].name == "spearman");
  CHECK(task->metrics(answers)[0].value == Approx(1));
}

TEST_CASE("tags are read at the first token of each word") {
  LoadedModel model;  // a stranger's head on the intent model's tokenizer
  model.tokenizer = load_tokenizer(std::filesystem::path(SESAME_SOURCE_DIR) / "models/intent");
  model.labels = {"O", "B-X"};
  const std::vector<models::TaggedSentence> data = {{{"set", "alarmingly", "now"}, {"O", "B-X", "O"}}};
  const auto task = make_entity_task(data, model);
  const auto encoding = model.tokenizer->encode("set alarmingly now", {.with_tokens = true});
  REQUIRE(encoding.ids.size() > 5);  // the second word has several tokens
  std::vector<float> logits;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    const bool is_entity = i == 2;  // [CLS], set, first of alarmingly
    logits.insert(logits.end(), {is_entity ? 0.0F : 1.0F, is_entity ? 1.0F : 0.0F});
  }
  CHECK(task->metrics({logits})[0].value == 1);
  CHECK(task->decisions({logits}) == std::vector<std::string>{"O", "B-X", "O"});
}

TEST_CASE("a long context is cut into windows that overlap, and offsets stay its own") {
  const auto& tokenizer = *intent().tokenizer;
  std::string context;
  for (int i = 0; i < 40; ++i) context += i == 0 ? "time" : " time";
  const WindowOptions options{.most_tokens = 20, .overlap = 4, .most_question = 2};
  const auto windows = make_windows(tokenizer, "what is this", context, options);
  // [CLS] 2 [SEP] 15 [SEP]: windows of 15, each 11 further: 0, 11, 22, 33.
  REQUIRE(windows.size() == 4);
  CHECK(windows[0].row.ids.size() == 20);
  CHECK(windows[0].begin == 4);
  CHECK(windows[1].offsets[0] == Offset{55, 59});
  CHECK(windows[3].offsets.size() == 7);
  const auto pair = tokenizer.encode("what is", context);
  CHECK(std::equal(windows[0].row.ids.begin(), windows[0].row.ids.end() - 1, pair.ids.begin()));
  CHECK(windows[0].row.ids.back() == pair.ids.back());
}

TEST_CASE("the best span is in the context, in order and short enough") {
  Window window;
  window.begin = 2;
  for (std::uint32_t i = 0; i < 40; ++i) window.offsets.push_back({i * 2, i * 2 + 1});
  std::vector<float> start(43, 0.0F);
  std::vector<float> end(43, 0.0F);
  start[0] = 9;  // the question's
  end[1] = 9;
  start[10] = 5;
  end[6] = 6;   // before the start
  end[41] = 7;  // 32 tokens on
  end[12] = 4;
  const auto span = best_span(window, start, end);
  REQUIRE(span);
  CHECK(span->score == 9);
  CHECK(span->offset == Offset{16, 21});  // tokens 10 and 12 are the context's 8 and 10
  CHECK(code_point_range("\u00e9t\u00e9 x", {1, 4}) == "t\u00e9 ");
}

TEST_CASE("requests arrive at the rate asked for, with exponential gaps") {
  const auto times = poisson_arrivals(100, 20000, 1);
  CHECK(std::ranges::is_sorted(times));
  CHECK(times.back() / 20000 == Approx(10).epsilon(0.03));  // ms a gap; its standard error is 0.7 %
  double short_gaps = 0;
  for (std::size_t i = 1; i < times.size(); ++i) short_gaps += times[i] - times[i - 1] < 10;
  CHECK(short_gaps / 20000 == Approx(1 - std::exp(-1.0)).margin(0.02));
  CHECK(poisson_arrivals(100, 5, 1) == poisson_arrivals(100, 5, 1));
  CHECK(poisson_arrivals(100, 5, 1) != poisson_arrivals(100, 5, 2));
}

TEST_CASE("masked tokens: accuracy and perplexity, worked out by hand") {
  models::MaskedRow two{{5, 6, 7}, {}, {{0, 1}, {2, 3}}}, one{{5}, {}, {{0, 0}}};
  const auto task = make_masked_token_task({two, one});
  REQUIRE(task->rows().size() == 2);
  CHECK(task->is_over_positions());
  // Four words of which three weigh nothing and one weighs log 5: p is 5/8 for it and 1/8 for the others.
  const float heavy = std::log(5.0F);
  const std::vector<float> first = {0, heavy, 0, 0, 9, 9, 9, 9, 0, heavy, 0, 0}, second = {heavy, 0, 0, 0};
  const std::vector<std::int64_t> shape = {2, 3, 4};
  const Answers answers = {task->keep(0, std::vector<RowOutput>{{"logits", shape, first}}),
                           task->keep(1, std::vector<RowOutput>{{"logits", shape, second}})};
  // Asked for 1 and 3, answered 1 and 1; asked for 0, answered 0.
  CHECK(task->decisions(answers) == std::vector<std::string>{"1", "1", "0"});
  CHECK(task->metrics(answers)[0].name == "accuracy");
  CHECK(task->metrics(answers)[0].value == Approx(2.0 / 3));
  CHECK(value(task->metrics(answers), "perplexity") == Approx(std::cbrt(8.0 / 5 * 8 * (8.0 / 5))));
  CHECK(task->compared(0, answers[0]).size() == 8);
  CHECK(task->compared(0, answers[0])[1] == heavy);
  const std::vector<std::int64_t> flat = {2, 4};
  CHECK_THROWS_WITH(task->keep(1, std::vector<RowOutput>{{"logits", flat, second}}),
                    Catch::Contains("logits over the vocabulary"));
  const auto beyond = make_masked_token_task({{{5}, {}, {{0, 4}}}});
  CHECK_THROWS_WITH(beyond->keep(0, std::vector<RowOutput>{{"logits", shape, second}}),
                    Catch::Contains("token 4 is none of the model's 4"));
}

TEST_CASE("a task that the data is not for is refused in one line") {
  const std::string data = std::string(SESAME_SOURCE_DIR) + "/models/intent/eval.tsv";
  for (const char* task : {"entities", "regression", "embeddings", "qa"}) {
    CHECK_THROWS_WITH(make_task(data, intent(), parse_task(task)),
                      Catch::StartsWith(data + ": expected ") && Catch::Contains("found texts or pairs with classes"));
  }
  CHECK(make_task(data, intent(), parse_task("pairs"))->rows().size() > 100);
  CHECK(make_task(data, intent(), parse_task("mlm"))->rows().size() == 875);  // every 7th of its tokens
  CHECK_THROWS_WITH(parse_task("translation"), Catch::Contains("found 'translation'"));
}
