#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "engine/container.h"
#include "models/packed_model.h"
#include "models/tokenizers/tokenizer.h"
#include "sesame/error.h"
#include "tools/commands.h"
#include "tools/json_line.h"
#include "tools/options.h"
#include "tools/texts.h"

namespace sesame::tools {
namespace {

struct TokenizeOptions {
  std::string model;
  std::vector<std::string> texts;
  bool pair = false;
  std::size_t max_length = 0;
};

constexpr const char* kExamples =
    "Prints one JSON object a text: ids, type_ids, tokens, and offsets as [begin, end) in code points of the text.\n"
    "MODEL may be a folder that holds a tokenizer only.\n\n"
    "Examples:\n"
    "  sesame tokenize models/intent \"what's my checking balance\"\n"
    "  printf 'who wrote it?\\tAda wrote it.\\n' | sesame tokenize models/intent --pair\n";

// The folder with the tokenizer's files: MODEL itself, or the one around an .onnx file.
std::filesystem::path tokenizer_folder(const std::filesystem::path& model) {
  if (!std::filesystem::exists(model)) throw Error(model.string() + ": expected a model, found no such file or folder");
  if (std::filesystem::is_directory(model)) return model;
  const auto folder = std::filesystem::absolute(model).parent_path();
  return folder.filename() == "onnx" ? folder.parent_path() : folder;
}

std::string offsets_json(const std::vector<Offset>& offsets) {
  std::string list;
  for (const Offset& each : offsets) {
    list += list.empty() ? "[" : ", [";
    list += std::to_string(each.begin) + ", " + std::to_string(each.end) + ']';
  }
  return '[' + list + ']';
}

std::string tokens_json(const std::vector<std::string>& tokens) {
  std::string list;
  for (const std::string& each : tokens) list += (list.empty() ? "" : ", ") + json_string(each);
  return '[' + list + ']';
}

std::string to_json(const Encoding& encoding) {
  JsonLine line;
  line.integers("ids", encoding.ids)
      .integers("type_ids", encoding.type_ids)
      .raw("tokens", tokens_json(encoding.tokens))
      .raw("offsets", offsets_json(encoding.offsets));
  if (encoding.truncated) line.flag("truncated", true);
  return line.str();
}

std::string tokenize_line(const Tokenizer& tokenizer, const std::string& line, const TokenizeOptions& options) {
  const EncodeOptions how = {.max_length = options.max_length, .with_tokens = true};
  if (!options.pair) return to_json(tokenizer.encode(line, how));
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos) return JsonLine().text("error", "expected text TAB text, found no TAB").str();
  const std::string_view both = line;
  return to_json(tokenizer.encode(both.substr(0, tab), both.substr(tab + 1), how));
}

int run_tokenize(const TokenizeOptions& options) {
  const auto tokenizer = engine::is_container(options.model) ? load_tokenizer(models::packed_files(options.model))
                                                             : load_tokenizer(tokenizer_folder(options.model));
  for_each_batch(options.texts, 64, [&](std::span<const std::string> texts) {
    for (const std::string& text : texts) std::cout << tokenize_line(*tokenizer, text, options) << '\n';
  });
  return 0;
}

}  // namespace

void add_tokenize_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of texts: arguments, or lines on standard input");
  add_model(*command, options->model);
  add_texts(*command, options->texts);
  command->add_flag("--pair", options->pair, "Each text is a pair: text TAB text");
  command->add_option("--max-length", options->max_length, "Cut to N tokens, special ones included")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_tokenize(*options); }; });
}

}  // namespace sesame::tools
