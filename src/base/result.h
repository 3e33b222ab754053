#pragma once

#include "requant/result.h"  // IWYU pragma: export
