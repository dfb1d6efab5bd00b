// Our int8 ONNX files give the same labels in ONNX Runtime as in ours.
#include "bench/studies/label_accuracy.h"

#include <algorithm>
#include <filesystem>

#include "models/calibration.h"
#include "models/calibration_texts.h"
#include "models/eval/metrics.h"
#include "models/quantize_onnx.h"
#include "tests/files.h"

namespace sesame::bench {
namespace {

namespace fs = std::filesystem;
using engine::OnnxForm;

const fs::path kModel = fs::path(SESAME_SOURCE_DIR) / "models/intent";

// Whether bench/peers/onnxruntime/install.sh has run.
bool has_onnxruntime() {
  try {
    onnxruntime_command({});
    return true;
  } catch (const Error& error) {
    WARN("skipped: " << error.what());
    return false;
  }
}

std::vector<models::LabelledText> some_texts(std::size_t count) {
  const auto all = models::read_labelled_texts(kModel / "eval.tsv");
  std::vector<models::LabelledText> some;
  for (std::size_t i = 0; i < all.size(); i += std::max<std::size_t>(1, all.size() / count)) some.push_back(all[i]);
  return some;
}

engine::Ranges calibrate(const engine::Graph& graph, const std::vector<std::string>& values) {
  const auto texts = models::read_calibration_texts(kModel / "eval.tsv", 64, 1);
  return models::observe_values(kModel, graph, values, texts, {}).ranges();
}

TEST_CASE("each form gives the labels in ONNX Runtime that it gives here", "[studies]") {
  if (!has_onnxruntime()) return;
  const auto texts = some_texts(60);
  const TemporaryFolder folder;
  for (const OnnxForm form : {OnnxForm::integer_ops, OnnxForm::qdq, OnnxForm::qoperator}) {
    for (const bool with_adds : {false, true}) {
      INFO(name(form) << (with_adds ? ", every operator" : ""));
      engine::OnnxFormOptions options;
      options.form = form;
      if (with_adds) options.nodes = {.operators = {"MatMul", "Gemm", "Gather", "Add"}, .heads = true};
      Peers peers;
      peers.onnxruntime = true;
      const fs::path out = folder / "model";
      models::quantize_to_onnx(kModel, out, options, calibrate);
      const Subject subject = load_subject(out, {});
      const auto ours = labels_one_by_one(subject, texts, 1);
      const auto theirs = peer_labels_one_by_one(subject, peers, texts, 1);
      const auto expected = models::label_indices(texts, subject.model->labels());
      // One text of sixty may be a tie: ONNX Runtime fuses and rounds in another order.
      CHECK(models::matching_share(ours, theirs) >= 0.98);
      CHECK(models::matching_share(ours, expected) > 0.6);  // fp32: 0.72, on questions harder than the test set's
    }
  }
}

}  // namespace
}  // namespace sesame::bench
