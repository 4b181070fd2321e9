# hf_native in the firmware: cmake -S ports/rp2 -DUSER_C_MODULES=/path/to/native/bind/usermod/micropython.cmake ...
# Needs python3 for the generator's table; teeth and blocks as in native/include/hf_p256.h, 6 1 is 2 KB of flash.
get_filename_component(HF_NATIVE "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(HF_TABLE "${CMAKE_BINARY_DIR}/hf_native")

file(MAKE_DIRECTORY "${HF_TABLE}")
execute_process(
    COMMAND python3 "${HF_NATIVE}/../scripts/p256_generator.py" 6 1 "${HF_TABLE}/hf_p256_generator.h"
    RESULT_VARIABLE HF_MADE
)
if(NOT HF_MADE EQUAL 0)
    message(FATAL_ERROR "the table of the generator could not be made")
endif()

# The same sources as with make: micropython.mk names them, and modhf_native.c.
file(READ "${CMAKE_CURRENT_LIST_DIR}/micropython.mk" HF_MK)
string(REGEX MATCHALL "hf_[a-z0-9_]+\\.c" HF_SOURCES "${HF_MK}")
list(REMOVE_ITEM HF_SOURCES hf_native.c)
list(REMOVE_DUPLICATES HF_SOURCES)
list(TRANSFORM HF_SOURCES PREPEND "${HF_NATIVE}/src/")

add_library(hf_native INTERFACE)
target_sources(hf_native INTERFACE "${CMAKE_CURRENT_LIST_DIR}/modhf_native.c" ${HF_SOURCES})
target_include_directories(hf_native INTERFACE "${HF_NATIVE}/include" "${HF_NATIVE}/src" "${HF_TABLE}")

# Where the field of P-256 is in assembly.
if(PICO_PLATFORM STREQUAL "rp2040")
    target_sources(hf_native INTERFACE "${HF_NATIVE}/asm/hf_p256_armv6m.S")
    target_compile_definitions(hf_native INTERFACE HF_P256_ASM=1)
elseif(PICO_PLATFORM STREQUAL "rp2350-arm-s")
    target_sources(hf_native INTERFACE "${HF_NATIVE}/asm/hf_p256_armv7em.S")
    target_compile_definitions(hf_native INTERFACE HF_P256_ASM=1)
endif()

target_link_libraries(usermod INTERFACE hf_native)
