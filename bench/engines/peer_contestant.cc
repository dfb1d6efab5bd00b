#include "bench/engines/peer_contestant.h"

#include <nlohmann/json.hpp>

#include "bench/engines/base64.h"
#include "bench/engines/padded.h"
#include "bench/memory.h"

namespace sesame::bench {
namespace {

using Json = nlohmann::json;

// Of each output; enough to compare and to score, and it keeps a line short where whole hidden states come out.
constexpr std::size_t kMostElements = std::size_t{1} << 22;

Json feeds(const PaddedBatch& padded, const PeerModel& model) {
  Json feeds = Json::object();
  if (!model.ids.empty()) feeds[model.ids] = padded.ids;
  if (!model.mask.empty()) feeds[model.mask] = padded.mask;
  if (!model.types.empty()) feeds[model.types] = padded.types;
  return {{"batch", padded.batch}, {"length", padded.length}, {"feeds", std::move(feeds)}};
}

}  // namespace

PeerContestant::PeerContestant(const std::vector<std::string>& argv, const std::vector<int>& cpus, PeerModel model)
    : name_(argv[0]), model_(std::move(model)), process_(argv, cpus) {
  const auto reply = Json::parse(ask(Json{
      {"load", model_.file.string()},
      {"threads", model_.threads},
      {"precision", model_.precision},
      {"attention", model_.attention}}.dump()));
  facts_ = {.engine = reply.at("engine"),
            .version = reply.at("version"),
            .isa = reply.value("isa", ""),
            .load_ms = reply.at("load_ms"),
            .model_mib = {}};
  if (reply.contains("model_mib")) facts_.model_mib = reply["model_mib"].get<double>();
  name_ = facts_.engine;
}

std::string PeerContestant::ask(const std::string& request) {
  const bool sent = process_.write_line(request);
  const auto reply = sent ? process_.read_line() : std::nullopt;
  if (!reply) {
    const std::string said = process_.last_error();
    throw Error(name_ + ": expected an answer from the peer, it has ended" + (said.empty() ? "" : ": " + said));
  }
  const auto json = Json::parse(*reply, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    throw Error(name_ + ": expected an object of JSON from the peer, found " + reply->substr(0, 60));
  if (json.contains("error"))
    throw Error(name_ + ": " + model_.file.string() + ": " + json["error"].get<std::string>());
  return *reply;
}

void PeerContestant::send_batches(std::span<const TokenBatch> batches) {
  Json list = Json::array();
  for (const TokenBatch& each : batches) list.push_back(feeds(pad(each, model_.pad_id), model_));
  ask(Json{{"batches", std::move(list)}}.dump());
}

void PeerContestant::prepare(const Workload& workload) {
  workload_ = &workload;
  workload_is_sent_ = false;
}

void PeerContestant::send_workload() {
  if (!workload_is_sent_) send_batches(workload_->batches);
  workload_is_sent_ = true;
}

std::vector<double> PeerContestant::time(const Turn& turn) {
  send_workload();
  const Json request = {{"time", {{"first", turn.first}, {"runs", turn.runs}, {"seconds", turn.seconds}}}};
  return Json::parse(ask(request.dump())).at("ms").get<std::vector<double>>();
}

std::vector<double> PeerContestant::serve(std::span<const double> arrivals) {
  send_workload();
  const Json request = {{"serve", std::vector<double>(arrivals.begin(), arrivals.end())}};
  return Json::parse(ask(request.dump())).at("ms").get<std::vector<double>>();
}

std::vector<NamedOutput> PeerContestant::answer(const TokenBatch& batch) {
  workload_is_sent_ = false;
  send_batches(std::span(&batch, 1));
  const auto reply = Json::parse(ask(Json{{"answer", 0}, {"most", kMostElements}}.dump()));
  std::vector<NamedOutput> outputs;
  for (const auto& each : reply.at("outputs")) {
    outputs.push_back({each.at("name").get<std::string>(), each.at("dims").get<std::vector<std::int64_t>>(),
                       decode_floats(each.at("data").get_ref<const std::string&>())});
  }
  return outputs;
}

std::optional<double> PeerContestant::peak_mib() { return peak_resident_mib(process_.id()); }

}  // namespace sesame::bench
