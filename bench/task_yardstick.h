// A task as what quantization is measured by.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/tasks/task.h"
#include "models/accuracy_trade.h"

namespace sesame::bench {

class TaskYardstick final : public models::Yardstick {
 public:
  // `model` is any precision of the one that is quantized. Throws Error as make_task does.
  TaskYardstick(const std::filesystem::path& data, const LoadedModel& model, TaskKind kind, int threads)
      : task_(make_task(data, model, kind)), threads_(threads) {}

  double score(const std::shared_ptr<const Model>& model, const Tick& tick) const override {
    return task_->metrics(answers(model, tick)).front().value;
  }
  std::vector<float> sample(const std::shared_ptr<const Model>& model, const Tick& tick) const override;

  // All of the model's answers; a row at a time where they would depend on what else is in the batch.
  Answers answers(const std::shared_ptr<const Model>& model, const Tick& tick) const;

  const Task& task() const { return *task_; }

 private:
  Answers answers(const std::shared_ptr<const Model>& model, std::span<const std::size_t> rows, const Tick& tick) const;

  std::unique_ptr<Task> task_;
  int threads_;
};

// One line: the task's metrics of both, and how near the answers are to each other.
std::string compare_line(const Task& task, const Answers& fp32, const Answers& int8);

}  // namespace sesame::bench
