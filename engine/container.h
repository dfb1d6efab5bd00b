// The container of a packed model: named sections of bytes in one file, mapped read-only, so that processes share them
// and nothing is copied.
//
//   offset  0  "SESAME\r\n"                 8 bytes
//           8  version                      u32, 1
//          12  0                            u32
//          16  file size                    u64
//          24  offset of the table          u64, a multiple of 64
//          32  sections in the table        u64
//          40  checksum of bytes 64 ..      u64
//          48  checksum of bytes 0 .. 48    u64
//          56  0                            u64
//          64  sections, each at a multiple of 64, zeros between them
//              table: for each section offset u64, size u64, length of its name u64, the name, zeros up to a multiple
//              of 8
//
// All numbers are little-endian. What the sections mean is for others to say. The same sections give the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/mapped_file.h"

namespace sesame::engine {

inline constexpr std::size_t kSectionAlignment = 64;

// Whether the bytes begin as a container does.
bool is_container(Bytes file);
bool is_container(const std::filesystem::path& file);

// An open container: every field and the checksum have been checked. Not copyable: sections are views of its mapping.
class Container {
 public:
  // Throws Error, the file's name first: not a container, another version, cut short, damaged.
  static std::shared_ptr<const Container> open(const std::filesystem::path& file);

  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  const std::shared_ptr<const MappedFile>& file() const { return file_; }
  const std::map<std::string, Bytes, std::less<>>& sections() const { return sections_; }
  // Throws Error that names the section when there is none.
  Bytes section(std::string_view name) const;
  std::string text(std::string_view name) const;

 private:
  explicit Container(std::shared_ptr<const MappedFile> file);

  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, Bytes, std::less<>> sections_;
};

// Collects sections and writes them beside the target, which is replaced when all is on the disk.
class ContainerWriter {
 public:
  // The bytes must stay where they are until write(). Names are distinct.
  void add(std::string name, Bytes bytes);
  // The same with a copy of the bytes.
  void add_copy(std::string name, std::string bytes);

  // Throws Error, the file's name first. Leaves no file half-written.
  void write(const std::filesystem::path& file) const;

 private:
  std::vector<std::pair<std::string, Bytes>> sections_;
  std::vector<std::unique_ptr<const std::string>> copies_;
};

// The checksum of a whole number of 64-byte blocks, zeros included, as part of a longer run of them: eight 64-bit lanes
// in turn, each h = (h ^ word) * odd constant, rotated. Detects damage; it is no defence against an adversary.
class Checksum {
 public:
  Checksum();
  void add(Bytes bytes);  // padded with zeros to a multiple of 64
  std::uint64_t value() const;

 private:
  std::uint64_t lanes_[8];
  std::uint64_t blocks_ = 0;
};

}  // namespace sesame::engine
