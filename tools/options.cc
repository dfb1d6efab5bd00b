#include "tools/options.h"

namespace sesame::tools {

CLI::Validator precision_validator() {
  return {[](std::string& text) -> std::string {
            try {
              parse_precision(text);
            } catch (const Error& error) {
              return error.what();
            }
            return {};
          },
          "", "precision"};
}

CLI::Option* add_model(CLI::App& command, std::string& model) {
  return command.add_option("MODEL", model, "Folder in the Hugging Face layout, .onnx file, or packed model (.sesame)")
      ->required();
}

// An argument can't hold this byte, so it marks what parser_arguments() changed.
constexpr char kMark = '\0';

std::vector<std::string> parser_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    arguments.emplace_back(argv[i]);
    if (arguments.back().starts_with('[') && arguments.back().ends_with(']')) arguments.back() += kMark;
  }
  return arguments;
}

CLI::Option* add_texts(CLI::App& command, std::vector<std::string>& texts) {
  const auto take_off_mark = [](std::string& text) {
    if (text.ends_with(kMark)) text.pop_back();
    return std::string();
  };
  return command
      .add_option("TEXT", texts, "Texts, after -- where one starts with -; none: one a line on standard input")
      ->transform(CLI::Validator(take_off_mark, ""));
}

CLI::Option* add_precision(CLI::App& command, std::string& precision) {
  return command.add_option("--precision", precision, "fp32, bf16, int8, or auto: what the file holds")
      ->check(precision_validator())
      ->type_name("NAME")
      ->capture_default_str();
}

CLI::Option* add_attention(CLI::App& command, AttentionPrecision& attention) {
  const auto parse = [&attention](const std::string& text) {
    try {
      attention = parse_attention_precision(text);
    } catch (const Error& error) {
      throw CLI::ValidationError("--attention", error.what());
    }
  };
  return command
      .add_option_function<std::string>("--attention", parse,
                                        "Arithmetic of attention: fp32, bf16, int8, or auto: as --precision")
      ->type_name("NAME")
      ->default_str("auto");
}

CLI::Option* add_task(CLI::App& command, bench::TaskKind& task) {
  const auto parse = [&task](const std::string& text) {
    try {
      task = bench::parse_task(text);
    } catch (const Error& error) {
      throw CLI::ValidationError("--task", error.what());
    }
  };
  return command
      .add_option_function<std::string>("--task", parse,
                                        "Task of --data: classification, regression, embeddings, entities, "
                                        "question-answering, masked-tokens, or auto: by the file")
      ->type_name("NAME")
      ->default_str("auto");
}

CLI::Option* add_threads(CLI::App& command, int& threads) {
  return command.add_option("--threads", threads, "Threads of one call")
      ->check(CLI::Range(1, kMaxThreads))
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace sesame::tools
