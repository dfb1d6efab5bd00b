#include "bench/engines/peer_server.h"

#include <algorithm>
#include <istream>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "bench/engines/base64.h"
#include "bench/engines/padded.h"
#include "bench/engines/sesame_contestant.h"
#include "engine/plan.h"
#include "models/model.h"

namespace sesame::bench {
namespace {

using Json = nlohmann::json;

class PeerServer {
 public:
  Json respond(const Json& request) {
    if (request.contains("load")) return load(request);
    if (!engine_) throw Error("expected a model to be loaded first");
    if (request.contains("batches")) return prepare(request["batches"]);
    if (workload_.batches.empty()) throw Error("expected batches first");
    if (request.contains("time")) return time(request["time"]);
    if (request.contains("serve")) return {{"ms", engine_->serve(request["serve"].get<std::vector<double>>())}};
    if (request.contains("answer")) return answer(request);
    throw Error("unknown request");
  }

 private:
  Json load(const Json& request) {
    const ModelOptions options{.precision = parse_precision(request.value("precision", "auto")),
                               .attention = parse_attention_precision(request.value("attention", "auto"))};
    std::shared_ptr<const Model> model;
    const double load_ms = time_once([&] { model = Model::load(request.at("load").get<std::string>(), options); });
    engine_ = std::make_unique<SesameContestant>(model, load_ms, request.at("threads").get<int>());
    const EngineFacts& facts = engine_->facts();
    Json outputs = Json::array();
    const engine::Graph& graph = model->loaded().plan->graph();
    for (const engine::ValueId each : graph.outputs) outputs.push_back(graph.value(each).name);
    return {{"engine", facts.engine},   {"version", facts.version}, {"isa", facts.isa},
            {"load_ms", facts.load_ms}, {"outputs", outputs},       {"model_mib", *facts.model_mib}};
  }

  std::vector<std::int64_t> feed(const Json& feeds, int input, std::size_t elements, std::int64_t otherwise) const {
    std::vector<std::int64_t> values(elements, otherwise);
    if (input < 0) return values;
    const engine::Graph& graph = model().plan->graph();
    const std::string& name = graph.value(graph.inputs[static_cast<std::size_t>(input)]).name;
    values = feeds.at(name).get<std::vector<std::int64_t>>();
    if (values.size() != elements) throw Error("input '" + name + "': expected batch x length integers, found others");
    return values;
  }

  Json prepare(const Json& batches) {
    workload_ = {};
    for (const Json& each : batches) {
      PaddedBatch padded{.batch = each.at("batch"), .length = each.at("length"), .ids = {}, .mask = {}, .types = {}};
      const Json& feeds = each.at("feeds");
      const std::size_t elements = padded.batch * padded.length;
      padded.ids = feed(feeds, model().input_ids, elements, 0);
      padded.mask = feed(feeds, model().attention_mask, elements, 1);
      padded.types = feed(feeds, model().token_type_ids, elements, 0);
      workload_.batches.push_back(unpad(padded));
    }
    engine_->prepare(workload_);
    return Json::object();
  }

  Json time(const Json& turn) {
    const auto ms = engine_->time({.first = turn.at("first"), .runs = turn.at("runs"), .seconds = turn.at("seconds")});
    return {{"ms", ms}};
  }

  Json answer(const Json& request) {
    Json outputs = Json::array();
    for (const NamedOutput& each : engine_->answer(workload_.batch(request.at("answer")))) {
      const std::size_t count = std::min<std::size_t>(each.values.size(), request.at("most"));
      outputs.push_back(
          {{"name", each.name}, {"dims", each.shape}, {"data", encode_floats(std::span(each.values).first(count))}});
    }
    return {{"outputs", std::move(outputs)}};
  }

  const LoadedModel& model() const { return engine_->session().model().loaded(); }

  std::unique_ptr<SesameContestant> engine_;
  Workload workload_;
};

}  // namespace

void serve_as_peer(std::istream& in, std::ostream& out) {
  PeerServer server;
  for (std::string line; std::getline(in, line);) {
    Json response;
    try {
      response = server.respond(Json::parse(line));
    } catch (const std::exception& error) {
      response = {{"error", error.what()}};
    }
    out << response.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  }
}

}  // namespace sesame::bench
