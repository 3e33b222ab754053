#include "base/descriptor_io.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/text.h"

namespace requant {

Error io_error(const std::filesystem::path& path, std::string_view doing, int error_number) {
  return resource(fmt::format("{}: {}: {}", printable(path.string(), 4096), doing,
                              system_message(error_number)));
}

Result<void> write_all(const std::filesystem::path& path, int descriptor,
                       std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return io_error(path, "writing", wrote < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace requant
