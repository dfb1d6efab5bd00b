// What a Model holds, for the rooms that look inside (bench, tools).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "models/config.h"
#include "models/recognition.h"
#include "models/tokenizers/tokenizer.h"
#include "sesame/sesame.h"

namespace sesame {

struct LoadedModel {
  std::filesystem::path onnx_file;  // or the packed model's
  Precision precision = Precision::fp32;
  ModelConfig config;
  std::vector<std::string> labels;
  std::size_t max_tokens = 0;
  std::shared_ptr<const Tokenizer> tokenizer;  // null when the folder has none

  // Of the file, before any pass: what `inspect` reports.
  models::SourceGraph source;
  models::Recognition recognition;

  // The graph inputs by their role, -1 when the model has none.
  int input_ids = -1;
  int attention_mask = -1;
  int token_type_ids = -1;
  // Some Linear's rows share a grid that is found while running: answers depend on what else is in the batch.
  bool depends_on_batch = false;
  // A table of one row for types, as RoBERTa has: every type is 0, whatever the tokenizer says of a second text.
  bool has_one_type = false;

  std::shared_ptr<const engine::Plan> plan;
  std::size_t weight_bytes = 0;  // packed weights and tables, what the model keeps in memory or mapped
};

}  // namespace sesame
