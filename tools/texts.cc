#include "tools/texts.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "tools/line_reader.h"

namespace sesame::tools {

void for_each_batch(const std::vector<std::string>& arguments, std::size_t batch,
                    const std::function<void(std::span<const std::string>)>& fn) {
  const std::span<const std::string> all(arguments);
  for (std::size_t begin = 0; begin < all.size(); begin += batch) {
    fn(all.subspan(begin, std::min(batch, all.size() - begin)));
  }
  if (!arguments.empty()) return;

  LineReader reader(STDIN_FILENO);
  for (auto lines = reader.next_batch(batch); !lines.empty(); lines = reader.next_batch(batch)) {
    fn(lines);
    std::cout.flush();
  }
}

}  // namespace sesame::tools
