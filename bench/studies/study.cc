#include "bench/studies/study.h"

#include <algorithm>
#include <cassert>

#include "bench/studies/csv.h"
#include "bench/studies/list.h"
#include "bench/studies/published.h"
#include "models/config.h"
#include "models/model_location.h"

namespace sesame::bench {

std::span<const Study> studies() {
  static constexpr Study kStudies[] = {
      {"optimum", "DistilBERT's grid: approach, operators, exclusions, granularity, range", optimum_study},
      {"per-batch", "time a sample at batch 1, 16, 32 and 64, peak memory and F1", per_batch_study},
      {"neural-compressor", "int8 and fp32 by format at N instances x M cores", neural_compressor_study},
      {"neural-compressor-2021", "the same with one instance, dynamic and static", neural_compressor_2021_study},
      {"intent", "size, latency of one query and accuracy on CLINC150", intent_study},
  };
  return kStudies;
}

const Study& find_study(std::string_view name) {
  std::string known;
  for (const Study& each : studies()) {
    if (each.name == name) return each;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  throw Error("--study: expected one of " + known + ", found '" + std::string(name) + "'");
}

std::vector<std::vector<std::string>> published_rows(std::string_view name) {
  const auto file =
      std::ranges::find(published_files(), name, [](const PublishedFile& each) { return std::string_view(each.name); });
  assert(file != published_files().end());
  auto rows = parse_csv(file->content);
  rows.erase(rows.begin());
  return rows;
}

std::size_t study_length(const StudyOptions& options, std::size_t published) {
  const auto most = read_model_config(locate_model(options.model).folder).max_tokens();
  return most ? std::min(published, static_cast<std::size_t>(*most)) : published;
}

int study_threads(const StudyOptions& options, const Machine& machine, int published, std::vector<std::string>& notes) {
  if (options.threads) return *options.threads;
  if (machine.cores >= published) return published;
  notes.push_back("published with " + std::to_string(published) + " threads; this machine has " +
                  std::to_string(machine.cores) + (machine.cores == 1 ? " core" : " cores"));
  return machine.cores;
}

}  // namespace sesame::bench
