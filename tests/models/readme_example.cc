// The README's example, a whole program: compiled here under another name, run, and compared with the README's text by
// readme_example_test.cc.
#define main readme_main
int main();

// README begins
#include <iostream>

#include "sesame/sesame.h"

int main() {
  auto model = sesame::Model::load("models/intent", {.precision = sesame::Precision::int8});
  sesame::Session session(model);
  for (const auto& answer : session.classify({"what's my checking balance", "wake me at seven"}))
    std::cout << answer.label << ' ' << answer.score << '\n';
  return 0;
}
// README ends
