#include <cmath>

#include "bench/answer_check.h"
#include "bench/engines/base64.h"
#include "bench/engines/child_process.h"
#include "bench/engines/padded.h"
#include "bench/engines/peer_contestant.h"
#include "bench/peers.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame::bench;
using Catch::Contains;

namespace {

sesame::TokenBatch two_sequences() {
  sesame::TokenBatch batch;
  batch.add(std::vector<std::int64_t>{5, 6, 7}, std::vector<std::int64_t>{0, 0, 1});
  batch.add(std::vector<std::int64_t>{8}, std::vector<std::int64_t>{0});
  return batch;
}

NamedOutput output(std::string name, std::vector<std::int64_t> shape, std::vector<float> values) {
  return {std::move(name), std::move(shape), std::move(values)};
}

}  // namespace

TEST_CASE("floats go through base64 and come back as they were") {
  CHECK(encode_floats(std::vector<float>{1.0F}) == "AACAPw==");  // 00 00 80 3f, by RFC 4648's table
  for (std::size_t n = 0; n < 7; ++n) {
    std::vector<float> values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(0.1F * static_cast<float>(i) - 3e20F);
    CHECK(decode_floats(encode_floats(values)) == values);
  }
  CHECK(std::isnan(decode_floats(encode_floats(std::vector<float>{NAN}))[0]));
  CHECK_THROWS_AS(decode_floats("AAA!"), sesame::Error);
  CHECK_THROWS_AS(decode_floats("AAA"), sesame::Error);
}

TEST_CASE("padding goes to the right, with a mask, and comes off again") {
  const PaddedBatch padded = pad(two_sequences(), 9);
  CHECK(padded.length == 3);
  CHECK(padded.ids == std::vector<std::int64_t>{5, 6, 7, 8, 9, 9});
  CHECK(padded.mask == std::vector<std::int64_t>{1, 1, 1, 1, 0, 0});
  CHECK(padded.types == std::vector<std::int64_t>{0, 0, 1, 0, 0, 0});
  const sesame::TokenBatch back = unpad(padded);
  CHECK(back.ids == two_sequences().ids);
  CHECK(back.type_ids == two_sequences().type_ids);
  CHECK(back.row_offsets == two_sequences().row_offsets);
}

TEST_CASE("a child process is spoken to in lines") {
  ChildProcess child({"cat"}, {});
  CHECK(child.write_line("one"));
  CHECK(child.write_line("two"));
  CHECK(child.read_line() == "one");
  CHECK(child.read_line() == "two");
}

TEST_CASE("a child process that ends is noticed, with its last words") {
  ChildProcess child({"sh", "-c", "echo first >&2; echo 'gone wrong' >&2; exit 3"}, {});
  CHECK(!child.read_line());
  CHECK(child.last_error() == "gone wrong");
  CHECK(!ChildProcess({"/no/such/program"}, {}).read_line());
}

TEST_CASE("a peer's failure is one line with its words") {
  PeerModel model;
  model.file = "m.onnx";
  const auto start = [&](const std::string& script) { PeerContestant({"sh", "-c", script}, {}, model); };
  CHECK_THROWS_WITH(start("read line; echo '{\"error\": \"no such file\"}'"), Contains("m.onnx: no such file"));
  CHECK_THROWS_WITH(start("echo 'Cannot find module' >&2"), Contains("Cannot find module"));
  CHECK_THROWS_WITH(start("echo nonsense"), Contains("nonsense"));
}

TEST_CASE("a peer that is not installed is told with what installs it") {
  const sesame::test::TempDir nothing;
  setenv("SESAME_PEERS", nothing.path().c_str(), 1);
  CHECK_THROWS_WITH(onnxruntime_command({}), Contains("install.sh"));
  unsetenv("SESAME_PEERS");
  CHECK(onnxruntime_command({.python = "python3"})[0] == "python3");
}

TEST_CASE("a peer's answer is compared over real tokens only") {
  const auto batch = two_sequences();
  // Over positions: [2, 3, 1]; the second sequence has one real token.
  const std::vector<NamedOutput> ours = {output("h", {2, 3, 1}, {1, 2, 3, 4, 0, 0})};
  const std::vector<NamedOutput> same = {output("h", {2, 3, 1}, {1, 2, 3, 4, 77, NAN})};
  CHECK_NOTHROW(check_peer(ours, same, batch, 1e-6, "m", "peer"));
  const std::vector<NamedOutput> other = {output("h", {2, 3, 1}, {1, 2, 3, 5, 0, 0})};
  // sqrt(1 / (1 + 4 + 9 + 16)) = 0.18
  CHECK_THROWS_WITH(check_peer(ours, other, batch, 0.1, "m", "peer"), Contains("0.18"));
  CHECK_NOTHROW(check_peer(ours, other, batch, 0.2, "m", "peer"));
  const std::vector<NamedOutput> broken = {output("h", {2, 3, 1}, {1, 2, 3, NAN, 0, 0})};
  CHECK_THROWS_AS(check_peer(ours, broken, batch, 0.2, "m", "peer"), sesame::Error);
  const std::vector<NamedOutput> unknown = {output("x", {1}, {1})};
  CHECK_THROWS_WITH(check_peer(ours, unknown, batch, 1, "m", "peer"), Contains("found none"));
}
