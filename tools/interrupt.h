// ctrl-C once: finish what is running and print it. Twice: end.
#pragma once

namespace sesame::tools {

void stop_on_interrupt();
bool was_interrupted();

}  // namespace sesame::tools
