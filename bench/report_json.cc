#include <nlohmann/json.hpp>

#include "bench/report.h"

namespace sesame::bench {
namespace {

using Json = nlohmann::ordered_json;

Json maybe(const auto& value) { return value ? Json(*value) : Json(nullptr); }

Json to_object(const Machine& machine, const Peaks& peaks) {
  Json caches = Json::array();
  for (const Cache& each : machine.caches) {
    caches.push_back({{"level", each.level}, {"type", each.type}, {"kib", each.kib}});
  }
  return {{"cpu", machine.cpu},
          {"cores", machine.cores},
          {"logical_cpus", machine.logical_cpus},
          {"levels", machine.levels},
          {"isa", machine.isa},
          {"caches", std::move(caches)},
          {"memory_mib", machine.memory_mib},
          {"system", machine.system},
          {"compiler", machine.compiler},
          {"peak_gmacs", {{"fp32", maybe(peaks.fp32)}, {"bf16", maybe(peaks.bf16)}, {"int8", maybe(peaks.int8)}}},
          {"memory_read_gb_per_s", peaks.memory_read},
          {"clock_ghz", peaks.clock_ghz}};
}

Json to_object(const Latency& latency) {
  return {{"mean", latency.mean}, {"std", latency.std}, {"min", latency.min},
          {"p50", latency.p50},   {"p90", latency.p90}, {"p99", latency.p99}};
}

Json text(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json to_object(const std::vector<Metric>& metrics) {
  Json object = Json::object();
  for (const Metric& each : metrics) object[each.name] = each.value;
  return object;
}

Json to_object(const Ratio& ratio) { return {{"value", ratio.value}, {"low", ratio.low}, {"high", ratio.high}}; }

Json to_object(const Result& r) {
  return {{"model", r.model},
          {"engine", r.engine},
          {"precision", r.precision},
          {"isa", text(r.isa)},
          {"batch", r.batch},
          {"length", maybe(r.length)},
          {"threads", r.threads},
          {"runs", r.runs},
          {"latency_ms", to_object(r.latency_ms)},
          {"samples_per_s", r.samples_per_s},
          {"tokens_per_s", r.tokens_per_s},
          {"gmacs", maybe(r.gmacs)},
          {"gmacs_per_s", maybe(r.gmacs_per_s)},
          {"peak_share", maybe(r.peak_share)},
          {"model_mib", maybe(r.model_mib)},
          {"peak_rss_mib", maybe(r.peak_rss_mib)},
          {"load_ms", r.load_ms},
          {"accuracy", maybe(r.accuracy)},
          {"accuracy_in_scope", maybe(r.accuracy_in_scope)},
          {"agreement", maybe(r.agreement)},
          {"version", r.version},
          {"format", text(r.format)},
          {"instances", r.instances},
          {"cpus", r.cpus},
          {"rate", maybe(r.rate)},
          {"tokens", maybe(r.tokens)},
          {"padded_tokens", maybe(r.padded_tokens)},
          {"file_mib", maybe(r.file_mib)},
          {"peak_gmacs", maybe(r.peak_gmacs)},
          {"metrics", to_object(r.metrics)},
          {"time_over_ours", r.time_over_ours ? to_object(*r.time_over_ours) : Json(nullptr)}};
}

Json to_object(const Provenance& p) {
  Json models = Json::array();
  for (const ModelFile& each : p.models)
    models.push_back({{"path", each.path}, {"mib", each.mib}, {"fnv1a", each.hash}});
  return {{"command", p.command},   {"commit", text(p.commit)},     {"version", p.version},
          {"affinity", p.affinity}, {"governor", text(p.governor)}, {"models", std::move(models)}};
}

Json to_array(const std::vector<ProfileReport>& profiles) {
  Json all = Json::array();
  for (const ProfileReport& each : profiles) {
    Json steps = Json::array();
    for (const StepProfile& step : each.steps) {
      steps.push_back({{"step", step.step}, {"ms", step.milliseconds}, {"share", step.share}});
    }
    all.push_back({{"what", each.what}, {"steps", std::move(steps)}});
  }
  return all;
}

Json to_array(const std::vector<StudySection>& studies) {
  Json all = Json::array();
  for (const StudySection& each : studies) {
    all.push_back(
        {{"title", each.title}, {"columns", each.table.columns}, {"rows", each.table.rows}, {"notes", each.notes}});
  }
  return all;
}

// Paths and CPU names may hold bytes that are no UTF-8.
std::string dump(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string machine_json(const Machine& machine, const Peaks& peaks) { return dump(to_object(machine, peaks)); }

std::string to_json(const Report& report) {
  Json results = Json::array();
  for (const Result& each : report.results) results.push_back(to_object(each));
  return dump({{"schema", 1},
               {"machine", to_object(report.machine, report.peaks)},
               {"results", std::move(results)},
               {"warnings", report.warnings},
               {"partial", report.is_partial},
               {"provenance", to_object(report.provenance)},
               {"profiles", to_array(report.profiles)},
               {"studies", to_array(report.studies)}});
}

}  // namespace sesame::bench
