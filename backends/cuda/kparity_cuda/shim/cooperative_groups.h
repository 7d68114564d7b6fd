#pragma once
#error "kparity-unsupported: cooperative groups"
