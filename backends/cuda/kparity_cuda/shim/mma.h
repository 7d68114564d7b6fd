#pragma once  // kparity_shim.h, which every translation unit of the CPU shim includes first, has it all
