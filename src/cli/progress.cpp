#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/terminal.h"
#include "requant/bytes.h"

namespace requant::cli {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr std::size_t kBarColumns = 24;

std::string bar(double share) {
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kBarColumns));
  return std::string(filled, '#') + std::string(kBarColumns - filled, '.');
}

std::string time_left(double seconds) {
  const auto whole = std::lround(seconds);
  return fmt::format("{}:{:02} left", whole / 60, whole % 60);
}

}  // namespace

ProgressLine::ProgressLine(std::string label)
    : label_(std::move(label)), enabled_(wants_progress()), begin_(Clock::now()), last_(begin_) {}

ProgressLine::~ProgressLine() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressLine::update(std::uint64_t done_bytes, std::uint64_t total_bytes) {
  if (!enabled_ || total_bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (now - last_ < kInterval) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const auto done = static_cast<double>(done_bytes);
  const auto total = static_cast<double>(total_bytes);
  const double rate = done / std::max(seconds, 1e-3);
  const double share = std::min(1.0, done / total);
  const std::string line =
      fmt::format("\r\x1b[K{} [{}] {:3.0f} %  {} of {}  {}/s  {}", label_, bar(share), share * 100,
                  human_bytes(done_bytes), human_bytes(total_bytes),
                  human_bytes(static_cast<std::uint64_t>(rate)),
                  rate > 0 ? time_left((total - done) / rate) : "");
  std::fwrite(line.data(), 1, line.size(), stderr);
  drawn_ = true;
}

}  // namespace requant::cli
