// The engines beside ours: where they are, and what they are given.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench/engines/peer_contestant.h"
#include "bench/quantized_copies.h"
#include "bench/subject.h"

namespace sesame::bench {

struct Peers {
  bool onnxruntime = false;
  bool sesame = false;                               // another process of ours: the bench held against itself
  std::filesystem::path python;                      // an interpreter that has onnxruntime; empty: node
  std::filesystem::path command = "/proc/self/exe";  // the `sesame` that serves as peer
  std::vector<std::string> forms = {"integerops"};   // of ONNX Runtime's int8: integerops, qdq, qoperator

  bool any() const { return onnxruntime || sesame; }
};

// What starts ONNX Runtime. Throws Error that says what to install when it is not there.
std::vector<std::string> onnxruntime_command(const Peers& peers);

// A peer with the file that it is to run.
struct PeerEntry {
  std::vector<std::string> argv;
  PeerModel model;        // but for the threads
  std::string precision;  // of what it computes: "fp32", "int8"
  std::string format;     // of a quantized file: "integerops", ...; else empty
};

// The peers' entries beside `subject`: ONNX Runtime on the same file and, where ours computes in int8 from a fp32 file,
// on each of `peers.forms` of it; another `sesame` on the same file with the same options. `copies` are the subject's
// file's and must outlive the entries.
std::vector<PeerEntry> peer_entries(const Peers& peers, const Subject& subject, QuantizedCopies& copies);

}  // namespace sesame::bench
