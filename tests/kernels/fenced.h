// A copy of a row that ends where its page does, the next page being unreadable: a kernel that reads or writes past the
// end of the row crashes the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace sesame::kernels {

template <class T>
class Fenced {
 public:
  explicit Fenced(const std::vector<T>& row) : size_(row.size()) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = (size_ * sizeof(T) + page - 1) / page * page;
    mapped_ = bytes + page;
    memory_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory_ + bytes, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(memory_ + bytes) - size_;
    if (size_ > 0) std::memcpy(data_, row.data(), size_ * sizeof(T));
  }
  ~Fenced() { munmap(memory_, mapped_); }
  Fenced(const Fenced&) = delete;  // owns the mapping
  Fenced& operator=(const Fenced&) = delete;

  T* data() { return data_; }

 private:
  std::size_t size_, mapped_;
  char* memory_;
  T* data_;
};

}  // namespace sesame::kernels
