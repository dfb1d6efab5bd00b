// `sesame pack`: a model as one file that is ready at once.
#include <cstdio>
#include <memory>
#include <string>

#include "models/loading.h"
#include "models/packed_model.h"
#include "sesame/error.h"
#include "tools/commands.h"
#include "tools/options.h"

namespace sesame::tools {
namespace {

struct PackOptions {
  std::string model;
  std::string out;
  std::string precision = "auto";
  AttentionPrecision attention = AttentionPrecision::automatic;
};

constexpr const char* kExamples =
    "The file holds weights in the layout of the kernels, configuration, labels and tokenizer. It is mapped, so "
    "several\n"
    "processes share one copy, and takes the place of an old one only when it is complete.\n\n"
    "Examples:\n"
    "  sesame pack models/intent -o intent.sesame\n"
    "  sesame pack models/intent -o intent8.sesame --precision int8\n"
    "  sesame predict intent8.sesame \"wake me at seven\"\n";

int run_pack(const PackOptions& options) {
  SourceModel source = read_source(options.model);
  const Precision asked = parse_precision(options.precision);
  const Precision precision = asked == Precision::automatic ? Precision::fp32 : asked;
  quantize_graph(source.graph, precision);
  models::write_packed_model(source, source.graph, {precision, attention_beside(precision, options.attention)},
                             options.out);
  std::printf("%s: packed in %s\n", options.out.c_str(), std::string(name(precision)).c_str());
  return 0;
}

}  // namespace

void add_pack_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<PackOptions>();
  CLI::App* command = app.add_subcommand("pack", "Write a model as one file that is mapped and ready at once");
  add_model(*command, options->model);
  command->add_option("-o,--output", options->out, "The packed model, NAME.sesame")->required()->type_name("OUT");
  add_precision(*command, options->precision);
  add_attention(*command, options->attention);
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_pack(*options); }; });
}

}  // namespace sesame::tools
