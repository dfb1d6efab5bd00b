#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/fp_env.h"
#include "kernels/table.h"
#include "models/tokenizers/utf8.h"
#include "sesame/sesame.h"
#include "tools/commands.h"
#include "tools/json_line.h"
#include "tools/options.h"
#include "tools/texts.h"

namespace sesame::tools {
namespace {

struct PredictOptions {
  std::string model;
  std::vector<std::string> texts;
  std::string precision = "auto";
  AttentionPrecision attention = AttentionPrecision::automatic;
  int threads = 1;
  std::size_t batch = 32;
  std::size_t top = 1;
};

constexpr const char* kExamples =
    "Prints one JSON object a text, in order. \"truncated\" and \"warning\" appear where a text was cut to what the\n"
    "model takes or had to be mended, \"error\" stands in place of an answer.\n\n"
    "Examples:\n"
    "  sesame predict models/intent \"what's my checking balance\" \"wake me at seven\"\n"
    "  sesame predict models/intent --precision int8 --top 3 < questions.txt\n"
    "  tail -f chat.log | sesame predict models/intent | jq -r .label\n";

std::string top_json(const Classification& answer, const std::vector<std::string>& labels, std::size_t top) {
  std::vector<float> scores(answer.logits.size());
  {
    const kernels::DefaultFpEnvironment environment;
    kernels::table(kernels::default_isa()).softmax_row(answer.logits.data(), scores.size(), scores.data());
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return answer.logits[a] > answer.logits[b]; });
  std::string list;
  for (const std::size_t i : std::span(order).first(std::min(top, order.size()))) {
    const auto entry = JsonLine().text("label", labels[i]).number("score", scores[i]).str();
    list += (list.empty() ? "" : ", ") + entry;
  }
  return '[' + list + ']';
}

std::string warning(const Classification& answer, std::string_view text, const Model& model) {
  std::string warning;
  if (answer.truncated) {
    warning = "the text is longer than " + std::to_string(model.max_tokens()) + " tokens and was cut at its end";
  }
  if (tokenizers::repair_utf8(text) != text) {
    warning += (warning.empty() ? "" : "; ") + std::string("the text is no valid UTF-8; what is not counts as U+FFFD");
  }
  return warning;
}

std::string to_json(const Classification& answer, std::string_view text, const Model& model, std::size_t top) {
  if (!std::isfinite(answer.score)) return JsonLine().text("error", "the model's answer is not a number").str();
  JsonLine line;
  line.text("label", answer.label).number("score", answer.score);
  if (top > 1) line.raw("top", top_json(answer, model.labels(), top));
  if (answer.truncated) line.flag("truncated", true);
  const std::string warned = warning(answer, text, model);
  if (!warned.empty()) line.text("warning", warned);
  return line.str();
}

// One text alone, so that a bad one takes no other with it.
void print_alone(Session& session, std::string_view text, std::size_t top) {
  std::string line;
  try {
    line = to_json(session.classify(text), text, session.model(), top);
  } catch (const Error& error) {
    line = JsonLine().text("error", error.what()).str();
  }
  std::cout << line << '\n';
}

void print_answers(Session& session, std::span<const std::string> texts, std::size_t top) {
  std::vector<Classification> answers;
  try {
    answers = session.classify(std::vector<std::string_view>(texts.begin(), texts.end()));
  } catch (const Error&) {
    for (const std::string& text : texts) print_alone(session, text, top);
    return;
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::cout << to_json(answers[i], texts[i], session.model(), top) << '\n';
  }
}

int run_predict(const PredictOptions& options) {
  const auto model =
      Model::load(options.model, {.precision = parse_precision(options.precision), .attention = options.attention});
  if (model->labels().empty()) {
    throw Error(options.model + ": expected a classifier, found a model without labels");
  }
  Session session(model, {.threads = options.threads});
  for_each_batch(options.texts, options.batch,
                 [&](std::span<const std::string> texts) { print_answers(session, texts, options.top); });
  return 0;
}

}  // namespace

void add_predict_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* command = app.add_subcommand("predict", "Answer texts: arguments, or lines on standard input");
  add_model(*command, options->model);
  add_texts(*command, options->texts);
  add_precision(*command, options->precision);
  add_attention(*command, options->attention);
  add_threads(*command, options->threads);
  command->add_option("--batch", options->batch, "Most texts of one call; no answer depends on it")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--top", options->top, "Also list the K best labels with their scores")
      ->check(CLI::PositiveNumber)
      ->type_name("K");
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_predict(*options); }; });
}

}  // namespace sesame::tools
