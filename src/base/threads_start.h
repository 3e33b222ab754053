#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace requant {

// Starts `count` threads that call `work`; fewer, or none, where no more are to be had.
std::vector<std::jthread> start_threads(int count, const std::function<void()>& work);

}  // namespace requant
