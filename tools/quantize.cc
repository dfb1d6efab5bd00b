// `sesame quantize`: an fp32 model to an int8 one.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/container.h"
#include "models/calibration.h"
#include "models/loading.h"
#include "models/quantize_onnx.h"
#include "sesame/error.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/progress_bar.h"
#include "tools/quantize_packed.h"

namespace sesame::tools {
namespace {

struct QuantizeOptions {
  std::string model;
  std::string out;
  bool has_format = false;
  bool is_packed = false;
  std::string weights = "int8";
  engine::OnnxFormOptions form;
  std::string texts;
  std::size_t samples = 128;
  std::uint64_t seed = 1;
  engine::CalibrationOptions calibration;
  PackedOptions packed;
  // An option that was given and is for one kind of output, or for calibration, only.
  std::string of_forms, of_packed, of_calibration;
};

constexpr const char* kExamples =
    "OUT is a packed model (NAME.sesame), which Sesame runs at its best: activations have a scale a token, or with\n"
    "--static one a tensor; or an .onnx file, or a folder that gets config and tokenizer as well.\n"
    "Forms that ONNX Runtime runs: integerops quantizes activations as they come, a scale a tensor; qdq and qoperator\n"
    "are static, with ranges calibrated on texts.\n\n"
    "Examples:\n"
    "  sesame quantize models/intent -o intent.sesame\n"
    "  sesame quantize models/intent -o intent.sesame --static --calibrate train.tsv --max-drop 0.3 --data dev.tsv\n"
    "  sesame quantize models/intent -o intent.sesame --embeddings int8 --data models/intent/eval.tsv\n"
    "  sesame quantize models/intent -o intent.sesame --report --data models/intent/eval.tsv\n"
    "  sesame quantize models/intent -o intent-int8 --format integerops\n"
    "  sesame quantize d -o d.onnx --format integerops --ops MatMul,Gather --per-tensor\n"
    "  sesame quantize sst2 -o sst2-int8 --format qdq --ops MatMul,Add --exclude layernorm,gelu --calibrate "
    "train.tsv\n";

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& each : names) text += (text.empty() ? "" : ", ") + each;
  return text;
}

// "72 MatMul, 2 Gather"
std::string counted(const std::map<std::string, int>& quantized) {
  std::vector<std::string> parts;
  for (const auto& [op, count] : quantized) parts.push_back(std::to_string(count) + " " + op);
  return joined(parts);
}

engine::Ranges calibrate(const QuantizeOptions& options, const engine::Graph& graph,
                         const std::vector<std::string>& values, ProgressBar& bar) {
  const auto texts = calibration_texts(options.texts, options.samples, options.seed);
  auto ranges = models::observe_values(options.model, graph, values, texts, options.calibration, [&](double share) {
                  bar.show("calibrating", share);
                }).ranges();
  bar.clear();
  return ranges;
}

int run_packed(const QuantizeOptions& options) {
  PackedOptions packed = options.packed;
  packed.quantize.calibration = options.calibration;
  packed.quantize.weights = {.largest = options.form.reduce_range ? 63 : 127, .one_scale = !options.form.per_channel};
  packed.quantize.heads = options.form.nodes.heads;
  packed.exclude_nodes = options.form.nodes.exclude_nodes;
  std::vector<std::string> texts;
  if (!options.texts.empty()) texts = calibration_texts(options.texts, options.samples, options.seed);
  return run_quantize_packed(options.model, options.out, texts, packed);
}

// Models that ONNX Runtime may run and we can't have no size in our memory.
void print_sizes(const QuantizeOptions& options) try {
  const auto before = load_model(options.model, {}, MissingOperators::described);
  const auto after = load_model(options.out, {}, MissingOperators::described);
  std::printf("%s\n", size_line(*before, *after).c_str());
} catch (const Error&) {
}

int run_quantize(const QuantizeOptions& options) {
  if (engine::is_container(options.model)) {
    throw Error(options.model + ": expected a float model (a folder or an .onnx file), found a packed one");
  }
  const bool packed = options.has_format ? options.is_packed : options.out.ends_with(".sesame");
  if (packed && !options.of_forms.empty()) {
    throw UsageError(options.of_forms +
                     " is for ONNX forms: expected --format integerops, qdq or qoperator (a packed model has "
                     "--embeddings, --heads and --exclude-nodes)");
  }
  if (!options.of_calibration.empty() && options.texts.empty()) {
    throw UsageError(options.of_calibration + " is for calibration: expected texts (--calibrate FILE)");
  }
  if (!packed && !options.of_packed.empty()) {
    throw UsageError(options.of_packed + " is for packed models: expected an OUT that ends in .sesame");
  }
  if (packed) return run_packed(options);
  if (needs_ranges(options.form.form) == options.texts.empty()) {
    throw UsageError(std::string(name(options.form.form)) +
                     (options.texts.empty() ? " is static: expected texts to calibrate on (--calibrate FILE)"
                                            : " is dynamic: expected no --calibrate"));
  }
  ProgressBar bar;
  std::optional<Measured> measured;
  if (!options.packed.measure.data.empty()) {
    measured.emplace(options.packed.measure, Model::load(options.model), bar);
  }
  const auto report = models::quantize_to_onnx(
      options.model, options.out, options.form,
      [&](const auto& graph, const auto& values) { return calibrate(options, graph, values, bar); });
  for (const std::string& note : report.notes) std::printf("%s\n", note.c_str());
  print_sizes(options);
  if (measured) std::printf("%s\n", measured->compare(Model::load(options.out), bar).c_str());
  std::printf("%s: %s, quantized %s\n", options.out.c_str(), std::string(name(options.form.form)).c_str(),
              counted(report.quantized).c_str());
  return 0;
}

// A parser of names whose message becomes bad usage.
template <class Fn>
std::function<void(const std::string&)> usage(const char* option, Fn parse) {
  return [option, parse](const std::string& text) {
    try {
      parse(text);
    } catch (const Error& error) {
      throw CLI::ValidationError(option, error.what());
    }
  };
}

void add_selection(CLI::App& command, engine::NodeSelection& nodes) {
  command
      .add_option("--ops", nodes.operators,
                  "ONNX forms: operators to quantize: " + joined(engine::quantizable_operators()))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(engine::quantizable_operators()))
      ->type_name("NAME,...")
      ->default_str(joined(nodes.operators));
  command
      .add_option_function<std::vector<std::string>>(
          "--exclude",
          [&nodes](const std::vector<std::string>& names) {
            nodes.exclude.clear();
            for (const auto& each : names) {
              usage("--exclude",
                    [&](const auto& text) { nodes.exclude.push_back(engine::parse_node_group(text)); })(each);
            }
          },
          "ONNX forms: parts to leave in fp32: layernorm, gelu, residual, gather, softmax")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME,...");
  command.add_option("--exclude-nodes", nodes.exclude_nodes, "Nodes to leave in fp32, by name")->type_name("REGEX");
  command.add_flag("--heads", nodes.heads, "Also quantize what follows the encoder: pooler and classifier");
}

void add_weights(CLI::App& command, QuantizeOptions& options) {
  command.add_option("--weights", options.weights, "int8, symmetric, or for ONNX forms uint8, asymmetric")
      ->check(CLI::IsMember({"int8", "uint8"}))
      ->type_name("NAME")
      ->capture_default_str();
  command.add_flag("--per-channel,!--per-tensor", options.form.per_channel, "Scales of weights (--per-channel)");
  command.add_flag("--reduce-range", options.form.reduce_range,
                   "Weights in 7 bits, for ONNX Runtime on CPUs without VNNI");
}

void add_calibration(CLI::App& command, QuantizeOptions& options) {
  engine::CalibrationOptions& calibration = options.calibration;
  command.add_option("--calibrate", options.texts, "Texts for static ranges: a text a line, TSV, or CLINC150 JSON")
      ->type_name("FILE");
  command.add_option("--samples", options.samples, "Texts of it that are used")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 32))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Seed of their choice")->type_name("N")->capture_default_str();
  command
      .add_option_function<std::string>(
          "--method",
          [&calibration](const std::string& text) {
            usage("--method", [&](const auto& t) { calibration.method = engine::parse_calibration_method(t); })(text);
          },
          "minmax, moving-average, entropy, percentile or mse")
      ->type_name("NAME")
      ->default_str("percentile");
  command.add_option("--percentile", calibration.percentile, "Share of the values that is kept, in percent")
      ->check(CLI::Range(1e-3, 100.0))
      ->type_name("P")
      ->capture_default_str();
}

void add_measure(CLI::App& command, MeasureOptions& measure) {
  command.add_option("--data", measure.data, "Labelled data: what the answers lose on it is printed (as in bench)")
      ->type_name("FILE");
  add_task(command, measure.task);
  add_threads(command, measure.threads);
}

// Puts the options that `add` adds under a heading of their own.
template <class Fn>
void grouped(CLI::App& command, const char* heading, Fn add) {
  const std::size_t before = command.get_options().size();
  add();
  const auto options = command.get_options();
  for (std::size_t i = before; i < options.size(); ++i) options[i]->group(heading);
}

}  // namespace

void add_quantize_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<QuantizeOptions>();
  CLI::App* command = app.add_subcommand("quantize", "Turn an fp32 model into an int8 one");
  add_model(*command, options->model);
  command->add_option("-o,--output", options->out, "What to write")->required()->type_name("OUT");
  command
      ->add_option_function<std::string>(
          "--format",
          [options](const std::string& text) {
            options->has_format = true;
            options->is_packed = text == "sesame";
            if (options->is_packed) return;
            usage("--format", [&](const auto& t) { options->form.form = engine::parse_onnx_form(t); })(text);
          },
          "sesame (of NAME.sesame), integerops (of others), qdq or qoperator")
      ->type_name("NAME")
      ->default_str("by OUT");
  grouped(*command, "What is quantized", [&] { add_selection(*command, options->form.nodes); });
  grouped(*command, "Weights", [&] { add_weights(*command, *options); });
  grouped(*command, "Ranges of activations", [&] { add_calibration(*command, *options); });
  grouped(*command, "Packed models only", [&] { add_packed_options(*command, options->packed); });
  grouped(*command, "What it costs", [&] { add_measure(*command, options->packed.measure); });
  command->footer(kExamples);
  command->callback([options, command, &chosen] {
    options->form.weight_type = options->weights == "int8" ? engine::DType::i8 : engine::DType::u8;
    if (options->weights == "uint8") options->of_forms = "--weights uint8";
    for (const char* name : {"--ops", "--exclude"}) {
      if (command->count(name) > 0) options->of_forms = name;
    }
    for (const char* name : {"--static", "--tensor-scales", "--no-equalize", "--smooth", "--max-drop", "--embeddings",
                             "--report", "--attention"}) {
      if (command->count(name) > 0) options->of_packed = name;
    }
    for (const char* name : {"--samples", "--seed", "--method", "--percentile"}) {
      if (command->count(name) > 0) options->of_calibration = name;
    }
    chosen = [options] { return run_quantize(*options); };
  });
}

}  // namespace sesame::tools
