#pragma once

#include "kernel/cpu/simd.h"
#include "kernel/transpose.h"

namespace requant::kernel {
namespace {

// A matrix that is transposed: strides in bytes from row to row.
struct Turn {
  const std::uint8_t* from;
  std::int64_t from_stride;
  std::uint8_t* to;
  std::int64_t to_stride;
};

// Elements of kWidth bytes of a tile: a cache line of one row, and of one column.
template <int kWidth>
inline void turn_tile(const Turn& turn) {
  constexpr int kLane = 16 / kWidth;  // elements of a lane
  constexpr int kParts = 4 / kLanes;  // registers of a line
  constexpr std::int64_t kPartRows = kLane * kLanes;
  for (int lane = 0; lane < 4; ++lane) {
    for (int i = 0; i < kParts; ++i) {
      V part[kLane];
      const std::uint8_t* from = turn.from + lane * kLaneBytes + i * kPartRows * turn.from_stride;
      for (int row = 0; row < kLane; ++row) {
        part[row] = load_lanes(from + row * turn.from_stride, kLane * turn.from_stride);
      }
      transpose_lanes<kWidth>(part);
      std::uint8_t* to = turn.to + lane * kLane * turn.to_stride + i * kBytes;
      for (int col = 0; col < kLane; ++col, to += turn.to_stride) store(to, part[col]);
    }
  }
}

template <int kWidth>
inline void turn_elements(const Turn& turn, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      __builtin_memcpy(turn.to + col * turn.to_stride + row * kWidth,
                       turn.from + row * turn.from_stride + col * kWidth, kWidth);
    }
  }
}

template <int kWidth>
inline Turn at(const Turn& turn, std::int64_t row, std::int64_t col) {
  return {turn.from + row * turn.from_stride + col * kWidth, turn.from_stride,
          turn.to + col * turn.to_stride + row * kWidth, turn.to_stride};
}

// Lines of each row that are read at once, and how many rows ahead they are fetched.
constexpr std::int64_t kReadBytes = 256;
constexpr std::int64_t kReadAhead = 24;

// Up to a tile's rows and kReadBytes of each -> `copy`, with room between them: rows that are a
// power of two apart share their places in the cache.
constexpr std::int64_t kCopyStride = kReadBytes + kCacheLine;
inline void copy_rows(const std::uint8_t* from, std::int64_t stride, std::int64_t rows,
                      std::int64_t bytes, std::int64_t more, std::uint8_t* copy) {
  for (std::int64_t row = 0; row < rows; ++row, from += stride, copy += kCopyStride) {
    if (row + kReadAhead < rows + more) fetch(from + kReadAhead * stride, bytes);
    if (bytes == kReadBytes) {
      __builtin_memcpy(copy, from, kReadBytes);
    } else {
      __builtin_memcpy(copy, from, static_cast<unsigned long>(bytes));
    }
  }
}

// Where a matrix lies that is read.
enum class From : std::uint8_t {
  kMemory,
  kCache,  // with room between its rows
};

// What fits in the cache when it is turned. Of the rows behind it, `more` are read next.
template <int kWidth, From kFrom = From::kMemory>
inline void turn_block(const Turn& turn, std::int64_t rows, std::int64_t cols,
                       std::int64_t more = 0) {
  constexpr std::int64_t kTile = kCacheLine / kWidth;
  constexpr std::int64_t kCols = kReadBytes / kWidth;
  alignas(64) std::uint8_t copy[kTile * kCopyStride];
  const std::int64_t tiled_rows = rows / kTile * kTile;
  for (std::int64_t first = 0; first < cols; first += kCols) {
    const std::int64_t some = cols - first < kCols ? cols - first : kCols;
    const std::int64_t tiled_cols = some / kTile * kTile;
    for (std::int64_t row = 0; row < tiled_rows; row += kTile) {
      Turn part = at<kWidth>(turn, row, first);
      if constexpr (kFrom == From::kMemory) {
        const std::int64_t behind = rows + more - row - kTile;
        copy_rows(part.from, part.from_stride, kTile, some * kWidth, behind, copy);
        part = {copy, kCopyStride, part.to, part.to_stride};
      }
      for (std::int64_t col = 0; col < tiled_cols; col += kTile) {
        turn_tile<kWidth>(at<kWidth>(part, 0, col));
      }
      turn_elements<kWidth>(at<kWidth>(part, 0, tiled_cols), kTile, some - tiled_cols);
    }
  }
  turn_elements<kWidth>(at<kWidth>(turn, tiled_rows, 0), rows - tiled_rows, cols);
}

// By way of blocks in the cache, from which runs of some lines are written: memory takes single
// lines that are a page apart at a third of that speed.
template <int kWidth, From kFrom = From::kMemory>
inline void turn_matrix(const Turn& turn, std::int64_t rows, std::int64_t cols, const Sink& sink) {
  constexpr std::int64_t kRows = kWidth == 4 ? 128 : 256;
  constexpr std::int64_t kCols = kReadBytes / kWidth;
  constexpr std::int64_t kStride = kRows * kWidth + kCacheLine;
  alignas(64) std::uint8_t block[kCols * kStride];
  for (std::int64_t col = 0; col < cols; col += kCols) {
    const std::int64_t block_cols = cols - col < kCols ? cols - col : kCols;
    for (std::int64_t row = 0; row < rows; row += kRows) {
      const std::int64_t block_rows = rows - row < kRows ? rows - row : kRows;
      const Turn part = at<kWidth>(turn, row, col);
      turn_block<kWidth, kFrom>({part.from, part.from_stride, block, kStride}, block_rows,
                                block_cols, rows - row - block_rows);
      for (std::int64_t i = 0; i < block_cols; ++i) {
        sink.copy(part.to + i * part.to_stride, block + i * kStride, block_rows * kWidth);
      }
    }
  }
}

inline void run(const Transpose& p) {
  const Turn turn = {p.from, p.cols * p.width, p.to, p.rows * p.width};
  const Sink sink(p.to, p.rows * p.width, p.rows * p.cols * p.width, p.differs);
  if (p.width == 1) {
    turn_matrix<1>(turn, p.rows, p.cols, sink);
  } else if (p.width == 2) {
    turn_matrix<2>(turn, p.rows, p.cols, sink);
  } else {
    turn_matrix<4>(turn, p.rows, p.cols, sink);
  }
}

}  // namespace
}  // namespace requant::kernel
