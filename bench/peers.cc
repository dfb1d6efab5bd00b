#include "bench/peers.h"

#include <cstdlib>

#include "models/model.h"

namespace sesame::bench {
namespace {

namespace fs = std::filesystem;

// Where the peers' servers are: the source tree this was built from, or what SESAME_PEERS names.
fs::path peers_folder() {
  const char* const folder = std::getenv("SESAME_PEERS");
  return folder != nullptr ? folder : SESAME_PEERS;
}

// The graph's name of the input with this role.
std::string input_name(const LoadedModel& model, int role) {
  const engine::Graph& graph = model.plan->graph();
  return role < 0 ? std::string() : graph.value(graph.inputs[static_cast<std::size_t>(role)]).name;
}

PeerModel peer_model(const Subject& subject, const fs::path& file) {
  const LoadedModel& model = subject.model->loaded();
  PeerModel peer;
  peer.file = fs::absolute(file);
  peer.ids = input_name(model, model.input_ids);
  peer.mask = input_name(model, model.attention_mask);
  peer.types = input_name(model, model.token_type_ids);
  peer.pad_id = model.config.pad_token_id.value_or(0);
  peer.precision = name(subject.options.precision);
  peer.attention = name(subject.options.attention);
  return peer;
}

void add_onnxruntime(const Peers& peers, const Subject& subject, QuantizedCopies& copies,
                     std::vector<PeerEntry>& entries) {
  const auto argv = onnxruntime_command(peers);
  const LoadedModel& model = subject.model->loaded();
  const bool is_quantized = is_quantized_file(model);
  if (is_quantized || model.precision != Precision::int8) {
    entries.push_back({argv, peer_model(subject, model.onnx_file), is_quantized ? "int8" : "fp32", {}});
    return;
  }
  for (const std::string& form : peers.forms) {
    entries.push_back({argv, peer_model(subject, copies.folder(form) / "model.onnx"), "int8", form});
  }
}

}  // namespace

std::vector<std::string> onnxruntime_command(const Peers& peers) {
  const fs::path folder = peers_folder() / "onnxruntime";
  if (!peers.python.empty()) return {peers.python.string(), (folder / "server.py").string()};
  if (!fs::exists(folder / "node_modules/onnxruntime-node")) {
    throw Error("--peer onnxruntime: expected it to be installed; run " + (folder / "install.sh").string() +
                ", or name a Python that has the package onnxruntime with --peer-python");
  }
  return {"node", (folder / "server.js").string()};
}

std::vector<PeerEntry> peer_entries(const Peers& peers, const Subject& subject, QuantizedCopies& copies) {
  std::vector<PeerEntry> entries;
  if (peers.onnxruntime) add_onnxruntime(peers, subject, copies, entries);
  if (peers.sesame) {
    entries.push_back(
        {{peers.command.string(), "bench-peer"}, peer_model(subject, subject.path), subject.precision(), {}});
  }
  return entries;
}

}  // namespace sesame::bench
