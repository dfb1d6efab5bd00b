#include "engine/container.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <fstream>

#include "engine/printable.h"
#include "engine/replacing_file.h"
#include "sesame/error.h"

namespace sesame::engine {

static_assert(std::endian::native == std::endian::little, "containers are little-endian");

namespace {

constexpr std::string_view kMagic = "SESAME\r\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMaxName = 4096;
constexpr std::uint64_t kPrime = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio, odd

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t zero;
  std::uint64_t file_size;
  std::uint64_t table_offset;
  std::uint64_t sections;
  std::uint64_t checksum;
  std::uint64_t header_checksum;
  std::uint64_t zero_too;
};
static_assert(sizeof(Header) == kSectionAlignment);

struct Entry {
  std::uint64_t offset;
  std::uint64_t size;
  std::uint64_t name_length;
};

std::uint64_t round_up(std::uint64_t x, std::uint64_t to) { return (x + to - 1) / to * to; }

std::uint64_t header_checksum(const Header& header) {
  Checksum sum;
  sum.add(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_checksum)));
  return sum.value();
}

[[noreturn]] void refuse(const std::string& what) { throw Error("damaged or no packed model: " + what); }

Header read_header(Bytes file) {
  if (!is_container(file)) throw Error("expected a packed model (.sesame), found something else");
  Header header;
  if (file.size() < sizeof header) refuse("expected a header of 64 bytes, found " + std::to_string(file.size()));
  std::memcpy(&header, file.data(), sizeof header);
  if (header.version != kVersion) {
    throw Error("expected a packed model of version " + std::to_string(kVersion) + ", found version " +
                std::to_string(header.version) + "; pack it again with this program");
  }
  if (header.header_checksum != header_checksum(header) || header.zero != 0 || header.zero_too != 0) {
    refuse("its header was changed");
  }
  if (header.file_size != file.size()) {
    refuse("expected " + std::to_string(header.file_size) + " bytes, found " + std::to_string(file.size()));
  }
  const bool fits = header.table_offset >= sizeof header && header.table_offset <= file.size() &&
                    header.table_offset % kSectionAlignment == 0;
  if (!fits) refuse("its table lies outside the file");
  return header;
}

// Reads the table's fields one after the other, within its bytes.
class TableReader {
 public:
  explicit TableReader(Bytes table) : rest_(table) {}

  Entry entry() {
    Entry entry;
    const Bytes bytes = take(sizeof entry);
    std::memcpy(&entry, bytes.data(), sizeof entry);
    return entry;
  }
  std::string name(std::uint64_t length) {
    if (length == 0 || length > kMaxName) refuse("a section's name has " + std::to_string(length) + " bytes");
    const Bytes bytes = take(round_up(length, 8));
    return {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length)};
  }

 private:
  Bytes take(std::uint64_t size) {
    if (size > rest_.size()) refuse("its table is cut short");
    const Bytes taken = rest_.first(static_cast<std::size_t>(size));
    rest_ = rest_.subspan(static_cast<std::size_t>(size));
    return taken;
  }

  Bytes rest_;
};

}  // namespace

Checksum::Checksum() {
  for (std::size_t i = 0; i < 8; ++i) lanes_[i] = kPrime * (i + 1);
}

void Checksum::add(Bytes bytes) {
  const auto mix = [this](const std::byte* block) {
    std::uint64_t words[8];
    std::memcpy(words, block, sizeof words);
    for (std::size_t i = 0; i < 8; ++i) lanes_[i] = std::rotl((lanes_[i] ^ words[i]) * kPrime, 29);
    ++blocks_;
  };
  std::size_t at = 0;
  for (; at + 64 <= bytes.size(); at += 64) mix(bytes.data() + at);
  if (at == bytes.size()) return;
  std::byte last[64] = {};
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), last);
  mix(last);
}

std::uint64_t Checksum::value() const {
  std::uint64_t sum = blocks_;
  for (std::uint64_t lane : lanes_) {
    sum = (sum ^ lane) * kPrime;
    sum ^= sum >> 32;
  }
  return sum;
}

bool is_container(Bytes file) {
  return file.size() >= kMagic.size() && std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0;
}

bool is_container(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return false;
  char head[kMagic.size()] = {};
  std::ifstream in(file, std::ios::binary);
  in.read(head, sizeof head);
  return in.gcount() == sizeof head && is_container(std::as_bytes(std::span(head)));
}

Container::Container(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  const Bytes bytes = file_->bytes();
  const Header header = read_header(bytes);
  Checksum sum;
  sum.add(bytes.subspan(sizeof header));
  if (sum.value() != header.checksum) refuse("its checksum does not fit");
  TableReader table(bytes.subspan(static_cast<std::size_t>(header.table_offset)));
  for (std::uint64_t i = 0; i < header.sections; ++i) {
    const Entry entry = table.entry();
    const std::string name = table.name(entry.name_length);
    const bool fits = entry.offset >= sizeof header && entry.offset % kSectionAlignment == 0 &&
                      entry.offset <= header.table_offset && entry.size <= header.table_offset - entry.offset;
    if (!fits) refuse("section '" + printable(name) + "' lies outside the file");
    const Bytes section = bytes.subspan(static_cast<std::size_t>(entry.offset), static_cast<std::size_t>(entry.size));
    if (!sections_.emplace(name, section).second) refuse("section '" + printable(name) + "' is there twice");
  }
}

std::shared_ptr<const Container> Container::open(const std::filesystem::path& file) {
  auto mapped = MappedFile::open(file);
  try {
    return std::shared_ptr<const Container>(new Container(std::move(mapped)));
  } catch (const Error& error) {
    throw Error(printable(file.string()) + ": " + error.what());
  }
}

Bytes Container::section(std::string_view name) const {
  const auto it = sections_.find(name);
  if (it == sections_.end()) refuse("expected a section '" + printable(std::string(name)) + "', found none");
  return it->second;
}

std::string Container::text(std::string_view name) const {
  const Bytes bytes = section(name);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void ContainerWriter::add(std::string name, Bytes bytes) {
  assert(!name.empty() && name.size() <= kMaxName);
  sections_.emplace_back(std::move(name), bytes);
}

void ContainerWriter::add_copy(std::string name, std::string bytes) {
  copies_.push_back(std::make_unique<const std::string>(std::move(bytes)));
  add(std::move(name), std::as_bytes(std::span(*copies_.back())));
}

void ContainerWriter::write(const std::filesystem::path& path) const {
  std::string table;
  std::uint64_t offset = sizeof(Header);
  Checksum sum;
  for (const auto& [name, bytes] : sections_) {
    const Entry entry{offset, bytes.size(), name.size()};
    table.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    table += name;
    table.append(round_up(name.size(), 8) - name.size(), '\0');
    sum.add(bytes);
    offset = round_up(offset + bytes.size(), kSectionAlignment);
  }
  sum.add(std::as_bytes(std::span(table)));

  Header header{};
  std::copy(kMagic.begin(), kMagic.end(), header.magic);
  header.version = kVersion;
  header.file_size = offset + table.size();
  header.table_offset = offset;
  header.sections = sections_.size();
  header.checksum = sum.value();
  header.header_checksum = header_checksum(header);

  ReplacingFile file(path);
  file.write(std::as_bytes(std::span(&header, 1)));
  for (const auto& [name, bytes] : sections_) {
    file.write(bytes);
    file.pad_to(kSectionAlignment);
  }
  file.write(table);
  file.commit();
}

}  // namespace sesame::engine
