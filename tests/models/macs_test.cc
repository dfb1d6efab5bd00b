#include "models/macs.h"

#include "models/loading.h"
#include "tests/catch.h"
#include "tests/models/prepared.h"

namespace sesame {
namespace {

double macs(models::synthesis::Task task, const std::vector<std::size_t>& lengths) {
  const tests::TempDir folder;
  models::synthesis::make_model(models::synthesis::tiny("distilbert", task, 5), folder.path());
  return executed_macs(*load_model(folder.path(), {}), lengths);
}

constexpr double kHidden = 48, kFfn = 100;
constexpr double kLinears = 4 * kHidden * kHidden + 2 * kHidden * kFfn;  // of a row and layer
constexpr double kAttention = 2 * kHidden;                               // of a query, key and layer

TEST_CASE("Every token counts where every token is read") {
  // Two layers, and a head of 5 labels on each token.
  const double tokens = 10 + 4;
  const double want = 2 * (tokens * kLinears + (100 + 16) * kAttention) + tokens * kHidden * 5;
  CHECK(macs(models::synthesis::Task::token_classification, {10, 4}) == want);
}

TEST_CASE("Rows that a classifier does not read are not counted") {
  const double first_layer = 14 * kLinears + (100 + 16) * kAttention;
  const double last_layer =
      14 * 2 * kHidden * kHidden + 2 * (2 * kHidden * kHidden + 2 * kHidden * kFfn) + (10 + 4) * kAttention;
  const double head = 2 * (kHidden * kHidden + kHidden * 5);
  CHECK(macs(models::synthesis::Task::sequence_classification, {10, 4}) == first_layer + last_layer + head);
}

}  // namespace
}  // namespace sesame
