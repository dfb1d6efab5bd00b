#include "models/synthesis/make_model.h"

#include <stdlib.h>  // mkdtemp

#include <string>
#include <vector>

#include "engine/onnx_writer.h"
#include "models/synthesis/architecture.h"
#include "models/synthesis/vocabulary.h"
#include "sesame/error.h"

namespace sesame::models::synthesis {

namespace {

namespace fs = std::filesystem;

// A folder inside `target` where files are written before they are moved up into it. What is left of it is removed, and
// a `target` made here as well while it is empty.
class StagedFolder {
 public:
  explicit StagedFolder(const fs::path& target) : target_(target.has_filename() ? target : target.parent_path()) {
    if (target_.empty()) throw Error("folder: expected a path, found nothing");
    if (fs::exists(target_) && !fs::is_directory(target_)) {
      throw Error(target_.string() + ": expected a folder, found a file");
    }
    made_target_ = fs::create_directories(target_);
    std::string name = (target_ / ".partial-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(target_.string() + ": cannot be written to");
    stage_ = name;
  }
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  ~StagedFolder() {
    std::error_code ignored;
    fs::remove_all(stage_, ignored);
    if (made_target_) fs::remove(target_, ignored);  // which does nothing to a folder that holds files
  }

  const fs::path& path() const { return stage_; }

  // Moves every file up, `main` last, after the one before it and its external data have gone.
  void publish(const fs::path& main) {
    fs::remove(target_ / main);
    fs::remove(target_ / (main.string() + ".data"));
    std::vector<fs::path> names;
    for (const auto& entry : fs::directory_iterator(stage_)) {
      if (entry.path().filename() != main) names.push_back(entry.path().filename());
    }
    names.push_back(main);
    for (const fs::path& name : names) fs::rename(stage_ / name, target_ / name);
  }

 private:
  fs::path target_;
  fs::path stage_;
  bool made_target_ = false;
};

}  // namespace

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
  architecture.write_tokenizer(spec, architecture.tokenizer_class, stage.path());
  engine::write_onnx(make_graph(spec), stage.path() / "model.onnx");
  stage.publish("model.onnx");
} catch (const fs::filesystem_error& error) {
  throw Error(error.path1().string() + ": " + error.code().message());
}

}  // namespace sesame::models::synthesis
