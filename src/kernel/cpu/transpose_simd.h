#pragma once

#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

// A matrix that is transposed: strides in bytes from row to row.
struct Turn {
  const std::uint8_t* from;
  std::int64_t from_stride;
  std::uint8_t* to;
  std::int64_t to_stride;
};

// Elements of kWidth bytes of a tile: a cache line of one row, and of one column. Whole lines are
// written at once: in matrices whose strides are powers of two they would not stay in the cache.
template <int kWidth>
inline void turn_tile(const Turn& turn, const Sink& sink) {
  constexpr int kLane = 16 / kWidth;  // elements of a lane
  constexpr int kParts = 4 / kLanes;  // registers of a line
  constexpr std::int64_t kPartRows = kLane * kLanes;
  for (int lane = 0; lane < 4; ++lane) {
    V part[kParts][kLane];
    for (int i = 0; i < kParts; ++i) {
      const std::uint8_t* from = turn.from + lane * kLaneBytes + i * kPartRows * turn.from_stride;
      for (int row = 0; row < kLane; ++row) {
        part[i][row] = load_lanes(from + row * turn.from_stride, kLane * turn.from_stride);
      }
      transpose_lanes<kWidth>(part[i]);
    }
    std::uint8_t* to = turn.to + lane * kLane * turn.to_stride;
    for (int col = 0; col < kLane; ++col, to += turn.to_stride) {
      for (int i = 0; i < kParts; ++i) sink.put(to + i * kBytes, part[i][col]);
    }
  }
}

// Has the memory bring lines that are read soon: no pattern of its own tells it which.
inline void fetch(const std::uint8_t* from, std::int64_t stride, std::int64_t rows,
                  std::int64_t bytes) {
  for (std::int64_t row = 0; row < rows; ++row, from += stride) {
    for (std::int64_t byte = 0; byte < bytes; byte += kCacheLine) {
      _mm_prefetch(reinterpret_cast<const char*>(from + byte), _MM_HINT_T0);
    }
  }
}

template <int kWidth>
inline void turn_elements(const Turn& turn, std::int64_t rows, std::int64_t cols,
                          const Sink& sink) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      sink.copy(turn.to + col * turn.to_stride + row * kWidth,
                turn.from + row * turn.from_stride + col * kWidth, kWidth);
    }
  }
}

template <int kWidth>
inline Turn at(const Turn& turn, std::int64_t row, std::int64_t col) {
  return {turn.from + row * turn.from_stride + col * kWidth, turn.from_stride,
          turn.to + col * turn.to_stride + row * kWidth, turn.to_stride};
}

// Down the rows of a panel of a few lines, so that what is read next can be guessed.
template <int kWidth>
inline void turn_matrix(const Turn& turn, std::int64_t rows, std::int64_t cols, const Sink& sink) {
  constexpr std::int64_t kTile = 64 / kWidth;
  constexpr std::int64_t kPanel = 4 * kTile;
  const std::int64_t tiled_rows = rows / kTile * kTile;
  const std::int64_t tiled_cols = cols / kTile * kTile;
  for (std::int64_t panel = 0; panel < tiled_cols; panel += kPanel) {
    const std::int64_t end = panel + kPanel < tiled_cols ? panel + kPanel : tiled_cols;
    for (std::int64_t row = 0; row < tiled_rows; row += kTile) {
      if (row + kTile < tiled_rows) {
        fetch(turn.from + (row + kTile) * turn.from_stride + panel * kWidth, turn.from_stride,
              kTile, (end - panel) * kWidth);
      }
      for (std::int64_t col = panel; col < end; col += kTile) {
        turn_tile<kWidth>(at<kWidth>(turn, row, col), sink);
      }
    }
  }
  turn_elements<kWidth>(at<kWidth>(turn, 0, tiled_cols), tiled_rows, cols - tiled_cols, sink);
  turn_elements<kWidth>(at<kWidth>(turn, tiled_rows, 0), rows - tiled_rows, cols, sink);
}

}  // namespace
}  // namespace requant::kernel
