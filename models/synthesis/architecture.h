// One architecture: how its graph is built and how its config.json reads. To add one, write its file and list it in
// architecture.cc.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "models/synthesis/graph_builder.h"
#include "models/synthesis/model_spec.h"
#include "models/synthesis/vocabulary.h"

namespace sesame::models::synthesis {

struct Architecture {
  ModelSpec published;
  std::vector<Task> tasks;
  const char* tokenizer_class;
  void (*build)(GraphBuilder& builder, const ModelSpec& spec);
  nlohmann::ordered_json (*config)(const ModelSpec& spec);
  TokenizerWriter write_tokenizer = write_wordpiece;
};

const Architecture& find_architecture(std::string_view name);  // throws Error that lists the names

Architecture distilbert();
Architecture bert();
Architecture minilm();
Architecture albert();
Architecture electra();
Architecture roberta();
Architecture mobilebert();
Architecture deberta_v3();

// BERT's graph, with or without a pooler over the encoder's states when there is no head, and its config.json.
void build_bert(GraphBuilder& builder, const ModelSpec& spec, bool pooler);
nlohmann::ordered_json bert_config(const ModelSpec& spec);

std::vector<Task> all_tasks();

// `id2label` and `label2id` of a classification task, as LABEL_0, LABEL_1 and so on; nothing for the others.
void add_labels(nlohmann::ordered_json& config, const ModelSpec& spec);

}  // namespace sesame::models::synthesis
