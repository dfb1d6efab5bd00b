#include "models/synthesis/make_model.h"

#include "engine/onnx_writer.h"
#include "models/staged_folder.h"
#include "models/synthesis/architecture.h"
#include "models/synthesis/vocabulary.h"
#include "sesame/error.h"

namespace sesame::models::synthesis {

namespace fs = std::filesystem;

engine::Graph make_graph(const ModelSpec& spec) {
  check(spec);
  GraphBuilder builder(spec.seed);
  find_architecture(spec.architecture).build(builder, spec);
  return builder.take();
}

void make_model(const ModelSpec& spec, const fs::path& folder) try {
  check(spec);
  const Architecture& architecture = find_architecture(spec.architecture);
  StagedFolder stage(folder);
  write_text(architecture.config(spec).dump(2) + "\n", stage.path() / "config.json");
  write_wordpiece(spec, architecture.tokenizer_class, stage.path());
  engine::write_onnx(make_graph(spec), stage.path() / "model.onnx");
  stage.publish("model.onnx");
} catch (const fs::filesystem_error& error) {
  throw Error(error.path1().string() + ": " + error.code().message());
}

}  // namespace sesame::models::synthesis
