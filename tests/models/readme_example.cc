// The README's example as a program: compiled, run, and compared with the README's text by readme_example_test.cc.
#include "tests/models/readme_example.h"

// README begins
#include <iostream>

#include "sesame/sesame.h"

void answer() {
  auto model = sesame::Model::load("models/intent", {.precision = sesame::Precision::int8});
  sesame::Session session(model);
  for (const auto& answer : session.classify({"what's my checking balance", "wake me at seven"}))
    std::cout << answer.label << ' ' << answer.score << '\n';
}
// README ends
