// MiniLM (Wang et al., "MiniLM: Deep Self-Attention Distillation", 2020): BERT's graph at a smaller size. The sentence
// encoders that carry its name are exported without the pooler, since they average the states.
#include "models/synthesis/architecture.h"

namespace sesame::models::synthesis {

Architecture minilm() {
  ModelSpec published;  // MiniLM-L6-H384-uncased
  published.architecture = "minilm";
  published.task = Task::encoder;
  published.hidden = 384;
  published.layers = 6;
  published.heads = 12;
  published.ffn = 1536;
  return {published, all_tasks(), "BertTokenizer",
          [](GraphBuilder& builder, const ModelSpec& spec) { build_bert(builder, spec, false); }, bert_config};
}

}  // namespace sesame::models::synthesis
