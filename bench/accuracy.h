// What each engine's answers to labelled data are worth, beside its speed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "bench/engines/contestant.h"
#include "bench/report.h"
#include "bench/tasks/task.h"

namespace sesame::bench {

// Of one model: the answers of its engines, precisions and formats to one task.
class TaskAnswers {
 public:
  TaskAnswers(const std::filesystem::path& data, const LoadedModel& model, TaskKind kind)
      : task_(make_task(data, model, kind)) {}

  // Asks the engine for all of the task, `batch` rows at a time. `format` as in Result.
  void add(Contestant& engine, const std::string& precision, const std::string& format, std::size_t batch,
           const std::function<void(double)>& tick);

  // Whether ours was asked in fp32, the precision that the others are compared with.
  bool has_reference() const { return answers_.contains({"sesame", "fp32", ""}); }
  bool has(const std::string& engine, const std::string& precision, const std::string& format) const {
    return answers_.contains({engine, precision, format});
  }

  // Fills in the metrics of the result's engine, precision and format, if those were asked.
  void fill(Result& result) const;

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // engine, precision, format

  std::unique_ptr<Task> task_;
  std::map<Key, Answers> answers_;
};

}  // namespace sesame::bench
