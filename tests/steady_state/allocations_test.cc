// Counts every operator new of the process, which is why these tests have a binary of their own. Tensors count too:
// each has an owner that is allocated with new.
#include <atomic>
#include <cstdlib>
#include <new>

#include "models/loading.h"
#include "models/synthesis/make_model.h"
#include "sesame/sesame.h"
#include "tests/catch.h"
#include "tests/models/prepared.h"

namespace {

std::atomic<std::size_t> allocations{0};

void* counted(std::size_t bytes) {
  ++allocations;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace sesame {
namespace {

using engine::LinearPrecision;
using models::synthesis::Task;
using models::synthesis::tiny;

template <class Fn>
std::size_t allocations_of(Fn&& fn) {
  const std::size_t before = allocations;
  fn();
  return allocations - before;
}

TEST_CASE("The count counts") {
  CHECK(allocations_of([] { delete new int; }) == 1);
  CHECK(allocations_of([] { engine::Tensor::allocate(engine::DType::f32, {4}); }) >= 1);
}

TEST_CASE("A second pass over the same shapes allocates nothing") {
  for (const char* architecture : {"distilbert", "bert", "minilm"}) {
    for (Task task : {Task::sequence_classification, Task::token_classification, Task::encoder}) {
      const engine::Graph graph = models::normal_graph(tiny(architecture, task, 3));
      for (const LinearPrecision linears : {LinearPrecision::fp32, LinearPrecision::bf16, LinearPrecision::int8}) {
        for (int threads : {1, 2}) {
          INFO(architecture << " " << models::synthesis::name(task) << " " << engine::name(linears));
          const models::Prepared model = models::prepare(
              graph, {.linears = linears, .attention = parse_attention_precision(engine::name(linears))});
          engine::Runner runner(*model.plan, {.threads = threads});
          const auto a = models::padded(graph, models::made_up({4, 7}, 120), 7);
          const auto b = models::padded(graph, models::made_up({9}, 120), 9);
          for (const auto* inputs : {&a, &b, &a, &b}) runner.run(*inputs);
          CHECK(allocations_of([&] { runner.run(b); }) == 0);
          CHECK(allocations_of([&] { runner.run(a); }) == 0);
        }
      }
    }
  }
}

TEST_CASE("Text in, answer out allocates the answer and little else") {
  const test::TempDir folder;
  models::synthesis::make_model(tiny("distilbert", Task::sequence_classification, 3), folder.path());
  Session session(Model::load(folder.path()));
  for (int i = 0; i < 3; ++i) session.classify("hello there");
  // The answers, the logits of one, and what the tokenizer asks for.
  CHECK(allocations_of([&] { session.classify("hello there"); }) <= 12);
}

}  // namespace
}  // namespace sesame
