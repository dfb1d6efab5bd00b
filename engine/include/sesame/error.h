// The one exception that Sesame's libraries throw on purpose.
#pragma once

#include <stdexcept>
#include <string>

namespace sesame {

// One line that explains: the file, node or tensor, what was expected there, what was found. It is fit to be shown to a
// user after the name of the program. Running out of memory stays std::bad_alloc.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace sesame
