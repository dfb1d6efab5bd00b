#include "models/eval/metrics.h"

#include <cmath>
#include <vector>

#include "tests/catch.h"

using namespace sesame::models;
using Classes = std::vector<std::size_t>;

TEST_CASE("the matching share counts equal places") {
  CHECK(matching_share(Classes{1, 2, 3, 4}, Classes{1, 2, 0, 4}) == 0.75);
  CHECK(matching_share(Classes{1}, Classes{2}) == 0);
  CHECK(std::isnan(matching_share(Classes{}, Classes{})));
}

TEST_CASE("an excluded class counts where it is expected, not where it is predicted") {
  // Expected class 9 is left out; of the three others the last is predicted as 9 and wrong.
  CHECK(matching_share_without(Classes{1, 9, 3, 9}, Classes{1, 9, 3, 4}, 9) == 2.0 / 3);
  CHECK(matching_share_without(Classes{9}, Classes{9}, 9) == std::nullopt);
}
