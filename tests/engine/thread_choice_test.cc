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

void passes(ThreadChoice& choice, int count, double gain) {
  for (int i = 0; i < count; ++i) pass(choice, gain);
}

// Passes on one thread until more are tried.
int rest(ThreadChoice& choice) {
  int count = 0;
  for (; choice.threads() == 1; ++count) pass(choice, 1);
  return count;
}

TEST_CASE("threads that wait more than they work are fewer in the next passes, and tried again later") {
  ThreadChoice choice(2);
  passes(choice, 2, 0.9);
  CHECK(choice.threads() == 2);  // may be chance
  pass(choice, 0.9);
  CHECK(choice.threads() == 1);
  CHECK(rest(choice) == 8);
  passes(choice, 3, 0.9);
  CHECK(choice.threads() == 1);
  CHECK(rest(choice) == 16);  // each time in vain it is later
  pass(choice, 1.9);
  passes(choice, 3, 0.9);
  CHECK(rest(choice) == 8);  // unless they helped in between
}

TEST_CASE("many threads fall back to as many as they were worth") {
  ThreadChoice choice(8);
  passes(choice, 3, 3.2);
  CHECK(choice.threads() == 3);
  passes(choice, 3, 1.2);
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
