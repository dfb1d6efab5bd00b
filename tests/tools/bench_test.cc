#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;

TEST_CASE("bench writes one result a configuration, in the order precision, batch, length, threads") {
  const Ran ran = run_command({"bench", kIntent, "--precision", "fp32,bf16,int8", "--batch", "1,2", "--length", "8,16",
                               "--threads", "1,2", "--warmup", "1", "--runs", "3", "--json", "-"});
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(ran.err.empty());  // no progress in a pipe
  const auto results = nlohmann::json::parse(ran.out).at("results");
  REQUIRE(results.size() == 24);
  std::size_t i = 0;
  for (const char* precision : {"fp32", "bf16", "int8"}) {
    for (const int batch : {1, 2}) {
      for (const int length : {8, 16}) {
        for (const int threads : {1, 2}) {
          const auto& each = results[i++];
          CHECK(each.at("precision") == precision);
          CHECK(each.at("batch") == batch);
          CHECK(each.at("length") == length);
          CHECK(each.at("threads") == threads);
          CHECK(each.at("runs") == 3);
          CHECK(each.at("latency_ms").at("min") > 0);
          CHECK(each.at("latency_ms").at("p99") >= each.at("latency_ms").at("p50"));
          CHECK(each.at("peak_share") > 0);
        }
      }
    }
  }
  // The same work in every precision; the weights become smaller.
  for (const std::size_t less : {8, 16}) {
    CHECK(results[less].at("gmacs") == results[0].at("gmacs"));
    CHECK(results[less].at("model_mib") < results[less - 8].at("model_mib"));
  }
}

TEST_CASE("bench scores labelled texts and compares them with fp32") {
  const TemporaryFolder folder;
  write_below(folder, "data.tsv", "what's my balance\tbalance\nset an alarm for six\talarm\ntell me a joke\tbalance\n");
  const Ran ran = run_command({"bench", kIntent, "--precision", "int8", "--length", "8", "--runs", "1", "--warmup", "0",
                               "--data", (folder / "data.tsv").string(), "--json", (folder / "report.json").string()});
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(ran.out.find("accuracy") != std::string::npos);
  const auto result = nlohmann::json::parse(content_of(folder / "report.json")).at("results").at(0);
  CHECK(result.at("accuracy").get<double>() == Approx(2.0 / 3));
  CHECK(result.at("agreement") == 1);
  CHECK(result.at("accuracy_in_scope").is_null());
}

TEST_CASE("bench times text in, answer out") {
  const Ran ran = run_command({"bench", kIntent, "--text", "--batch", "3", "--runs", "4", "--json", "-"});
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  const auto result = nlohmann::json::parse(ran.out).at("results").at(0);
  CHECK(result.at("length").is_null());
  CHECK(result.at("tokens_per_s") > result.at("samples_per_s"));
}

TEST_CASE("bench refuses a length that the model does not take, and labels that it does not have") {
  const Ran longer = run_command({"bench", kIntent, "--length", "65"});
  CHECK(longer.code == 1);
  CHECK(longer.has_one_error_line());
  CHECK(longer.err.find("64") != std::string::npos);

  const TemporaryFolder folder;
  write_below(folder, "data.tsv", "what's my balance\tno_such_label\n");
  const Ran labels = run_command({"bench", kIntent, "--runs", "1", "--data", (folder / "data.tsv").string()});
  CHECK(labels.code == 1);
  CHECK(labels.err.find("no_such_label") != std::string::npos);
  const Ran none = run_command({"bench", kIntent, "--runs", "1", "--data", (folder / "none.tsv").string()});
  CHECK(none.code == 1);
  CHECK(none.has_one_error_line());
  const Ran unwritable = run_command({"bench", kIntent, "--json", (folder / "no/such/folder.json").string()});
  CHECK(unwritable.code == 1);
  CHECK(unwritable.has_one_error_line());
}

TEST_CASE("bench --profile adds up to the whole pass") {
  const Ran ran = run_command({"bench", kIntent, "--precision", "int8", "--length", "16", "--runs", "3", "--profile"});
  REQUIRE(ran.code == 0);
  CHECK(ran.out.find("share") != std::string::npos);
  CHECK(ran.out.find("100.0 %") != std::string::npos);
  CHECK(ran.lines().back().find("times its linear GEMMs alone") != std::string::npos);
}

TEST_CASE("inspect reports what was recognised") {
  const Ran text = run_command({"inspect", kIntent});
  CHECK(text.code == 0);
  CHECK(text.out.find("4 of 4") != std::string::npos);
  const Ran ran = run_command({"inspect", kIntent, "--json"});
  REQUIRE(ran.code == 0);
  const auto json = nlohmann::json::parse(ran.out);
  CHECK(json.at("opset") == 14);
  CHECK(json.at("layers_total") == 4);
  CHECK(json.at("layers_recognised") == 4);
  CHECK(json.at("unfused").empty());
  CHECK(json.at("quantization").empty());
  CHECK(json.at("operators").at("Softmax") == 4);
  for (const char* op : {"MatMul", "Softmax", "Erf", "LayerNormalization"}) CHECK(!json.at("plan").contains(op));
  CHECK(json.at("parameters") >= 4049815);  // the card's figure; a few scalars of the export may count too
  CHECK(json.at("parameters") < 4049815 + 100);
}

TEST_CASE("cpu names levels and measures peaks") {
  const Ran ran = run_command({"cpu", "--json"});
  REQUIRE(ran.code == 0);
  const auto json = nlohmann::json::parse(ran.out);
  CHECK(json.at("levels")[0] == "scalar");
  CHECK(json.at("peak_gmacs").at("fp32") > 0);
  CHECK(json.at("peak_gmacs").at("bf16") > 0);
  CHECK(json.at("peak_gmacs").at("int8") > 0);
  CHECK(json.at("memory_read_gb_per_s") > 0);
  const Ran lowered = run_command({"cpu", "--json"}, {}, {"SESAME_ISA=scalar"});
  CHECK(nlohmann::json::parse(lowered.out).at("isa") == "scalar");
}

TEST_CASE("bench holds itself against another process of itself, in turns") {
  const Ran ran = run_command({"bench", kIntent, "--precision", "int8", "--length", "8", "--runs", "10", "--warmup",
                               "1", "--peer", "sesame", "--instances", "1", "--cores", "1", "--json", "-"});
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  const auto results = nlohmann::json::parse(ran.out).at("results");
  REQUIRE(results.size() == 2);
  CHECK(results[0].at("time_over_ours").is_null());
  CHECK(results[0].at("cpus").size() == 1);
  const auto& ratio = results[1].at("time_over_ours");
  CHECK(ratio.at("low") <= ratio.at("value"));
  CHECK(ratio.at("value") <= ratio.at("high"));
  CHECK(ratio.at("value") > 0);
  CHECK(results[1].at("runs") == 10);
  CHECK(results[1].at("precision") == "int8");
}

TEST_CASE("bench says in one line that a peer is missing") {
  const Ran ran =
      run_command({"bench", kIntent, "--peer", "onnxruntime", "--runs", "1"}, {}, {"SESAME_PEERS=/no/such"});
  CHECK(ran.code == 1);
  CHECK(ran.has_one_error_line());
  CHECK(ran.err.find("install.sh") != std::string::npos);
}

TEST_CASE("bench times the texts of a file, each batch once, in the order asked for") {
  const TemporaryFolder folder;
  write_below(folder, "data.tsv",
              "what's my balance\tbalance\nset an alarm for six tomorrow please\talarm\nbalance\tbalance\n");
  for (const char* order : {"file", "length"}) {
    const Ran ran = run_command({"bench", kIntent, "--text", "--data", (folder / "data.tsv").string(), "--order", order,
                                 "--warmup", "0", "--json", "-"});
    CAPTURE(ran.err);
    REQUIRE(ran.code == 0);
    const auto result = nlohmann::json::parse(ran.out).at("results").at(0);
    CHECK(result.at("runs") == 3);
    CHECK(result.at("tokens") == result.at("padded_tokens"));  // one text a batch
    CHECK(result.at("metrics").at("accuracy") == 1);
    CHECK(result.at("metrics").at("agreement") == 1);
  }
}

TEST_CASE("bench serves requests that arrive") {
  const Ran ran = run_command({"bench", kIntent, "--length", "8", "--rate", "200,400", "--runs", "20", "--json", "-"});
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  const auto results = nlohmann::json::parse(ran.out).at("results");
  REQUIRE(results.size() == 2);
  CHECK(results[0].at("rate") == 200);
  CHECK(results[1].at("runs") == 20);
  CHECK(results[1].at("latency_ms").at("p50") > 0);
}

TEST_CASE("bench measures a published study and writes the report in every form") {
  const TemporaryFolder folder;
  write_below(folder, "data.tsv", "what's my balance\tbalance\nset an alarm for six\talarm\n");
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const Ran ran = run_command({"bench", kIntent, "--study", "intent", "--data", path("data.tsv"), "--runs", "5",
                               "--json", path("r.json"), "--markdown", path("r.md"), "--html", path("r.html"),
                               "--pictures", path("pictures")});
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(ran.out.find("Distillation + ORT (dynamic int8)") != std::string::npos);  // published, beside ours
  CHECK(ran.out.find("sesame int8") != std::string::npos);
  const auto json = nlohmann::json::parse(content_of(path("r.json")));
  CHECK(json.at("studies").at(0).at("rows").size() == 8);
  CHECK(json.at("results").at(0).at("runs") == 5);
  CHECK(json.at("provenance").at("command").get<std::string>().find("--study intent") != std::string::npos);
  CHECK(json.at("provenance").at("models").at(0).at("fnv1a").get<std::string>().size() == 16);
  CHECK(json.at("machine").at("clock_ghz") > 0.1);
  CHECK(json.at("machine").at("clock_ghz") < 8);
  CHECK(content_of(path("r.md")).find("| variant | machine |") != std::string::npos);
  CHECK(content_of(path("pictures/accuracy.svg")).find("<svg") == 0);
  const Ran unknown = run_command({"bench", kIntent, "--study", "none"});
  CHECK(unknown.code == 1);
  CHECK(unknown.has_one_error_line());
}
