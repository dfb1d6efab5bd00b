#include "engine/thread_choice.h"

#include "tests/catch.h"

namespace sesame::engine {
namespace {

// A pass on as many threads as the choice says, which got `gain` times as much done as one.
void pass(ThreadChoice& choice, double gain) {
  choice.record({.threads = choice.threads(), .elapsed_seconds = 2, .work_seconds = 2 * gain});
}

TEST_CASE("threads that help are kept") {
  ThreadChoice choice(2);
  for (int i = 0; i < 100; ++i) pass(choice, 1.3);
  CHECK(choice.threads() == 2);
}

TEST_CASE("threads that wait more than they work are fewer in the next passes, and tried again later") {
  ThreadChoice choice(2);
  pass(choice, 0.9);
  CHECK(choice.threads() == 2);  // once may be chance
  pass(choice, 0.9);
  CHECK(choice.threads() == 1);
  int passes = 0;
  for (; choice.threads() == 1; ++passes) pass(choice, 1);
  CHECK(passes == 32);
  pass(choice, 0.9);
  pass(choice, 0.9);
  CHECK(choice.threads() == 1);
  for (passes = 0; choice.threads() == 1; ++passes) pass(choice, 1);
  CHECK(passes == 64);  // each time in vain it is later
  pass(choice, 1.9);
  pass(choice, 0.9);
  pass(choice, 0.9);
  for (passes = 0; choice.threads() == 1; ++passes) pass(choice, 1);
  CHECK(passes == 32);  // unless they helped in between
}

TEST_CASE("many threads fall back to as many as they were worth") {
  ThreadChoice choice(8);
  for (int i = 0; i < 2; ++i) pass(choice, 3.2);
  CHECK(choice.threads() == 3);
  for (int i = 0; i < 2; ++i) pass(choice, 1.2);
  CHECK(choice.threads() == 1);
}

TEST_CASE("one thread stays one") {
  ThreadChoice choice(1);
  for (int i = 0; i < 3; ++i) pass(choice, 1);
  CHECK(choice.threads() == 1);
}

TEST_CASE("a pass without a duration changes nothing") {
  ThreadChoice choice(2);
  for (int i = 0; i < 3; ++i) choice.record({.threads = 2, .elapsed_seconds = 0, .work_seconds = 0});
  CHECK(choice.threads() == 2);
}

}  // namespace
}  // namespace sesame::engine
