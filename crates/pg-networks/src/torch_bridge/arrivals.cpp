// A backward pass that tells of each gradient as soon as it is complete. Exceptions stop here.

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cstring>
#include <memory>

using at::Tensor;
using torch::autograd::variable_list;

namespace {

// Must not unwind. Called on the thread that works on the tensor's device.
using OnArrival = void (*)(void *context, int64_t index, const Tensor *gradient);

struct ArrivalHook : torch::autograd::FunctionPreHook {
    ArrivalHook(int64_t index, void *context, OnArrival arrived) : index(index), context(context), arrived(arrived) {}

    variable_list operator()(const variable_list &gradients) override {
        if (!gradients.empty() && gradients[0].defined()) {
            arrived(context, index, &gradients[0]);
        }
        return gradients;
    }

    int64_t index;
    void *context;
    OnArrival arrived;
};

// The hooks stay for one backward pass, so that no other one (a penalty's inner one) calls them.
struct Hooks {
    Hooks(const Tensor *const *weights, int64_t count, void *context, OnArrival arrived)
        : weights(weights), count(count) {
        for (int64_t k = 0; k < count; ++k) {
            torch::autograd::impl::add_hook(*weights[k], std::make_unique<ArrivalHook>(k, context, arrived));
        }
    }
    ~Hooks() {
        for (int64_t k = 0; k < count; ++k) {
            torch::autograd::impl::clear_hooks(*weights[k]);
        }
    }
    Hooks(const Hooks &) = delete;
    Hooks &operator=(const Hooks &) = delete;

    const Tensor *const *weights;
    int64_t count;
};

}  // namespace

extern "C" {

// Null, or a message of malloc.
char *pg_gradients(const Tensor *loss, const Tensor *const *weights, int64_t count, void *context, OnArrival arrived) {
    try {
        variable_list inputs;
        for (int64_t k = 0; k < count; ++k) {
            inputs.push_back(*weights[k]);
        }
        const Hooks hooks(weights, count, context, arrived);
        torch::autograd::grad({*loss}, inputs);
        return nullptr;
    } catch (const std::exception &e) {
        return strdup(e.what());
    }
}
}
