// What tch has no binding for: libtorch's thread pool, and nodes of the autograd graph whose kernel is ours.
//
// Everything crosses the border as pointers to at::Tensor on the heap, as in tch itself. Exceptions stop here.

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>
#include <string>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// The three forms of <g, C(x, w)>, where C is linear in x and in w: each is the derivative of the two others.
enum Form : int64_t { OUTPUT_OF_INPUT_AND_KERNEL = 0, INPUT_OF_OUTPUT_AND_KERNEL = 1, KERNEL_OF_INPUT_AND_OUTPUT = 2 };

// Of the form, with the two tensors it takes; a new tensor, or null where it refuses them.
using BilinearKernel = Tensor *(*)(int64_t form, int64_t layer, double scale, const Tensor *first, const Tensor *second);

BilinearKernel bilinear_kernel = nullptr;

Tensor run_bilinear_kernel(int64_t form, int64_t layer, double scale, const Tensor &first, const Tensor &second) {
    at::NoGradGuard no_grad;
    Tensor *result = bilinear_kernel(form, layer, scale, &first, &second);
    TORCH_CHECK(result != nullptr, "the convolution does not fit its tensors: ", first.sizes(), " and ", second.sizes());
    Tensor owned = std::move(*result);
    delete result;
    return owned;
}

struct Bilinear : torch::autograd::Function<Bilinear> {
    static Tensor forward(AutogradContext *context, const Tensor &first, const Tensor &second, int64_t form,
                          int64_t layer, double scale) {
        context->save_for_backward({first, second});
        context->saved_data["form"] = form;
        context->saved_data["layer"] = layer;
        context->saved_data["scale"] = scale;
        return run_bilinear_kernel(form, layer, scale, first, second);
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const int64_t form = context->saved_data["form"].toInt();
        const int64_t layer = context->saved_data["layer"].toInt();
        const double scale = context->saved_data["scale"].toDouble();
        const Tensor &upstream = gradients[0];
        variable_list results(5);
        if (!upstream.defined()) {
            return results;
        }
        const auto derivative = [&](Form of, const Tensor &a, const Tensor &b) {
            return Bilinear::apply(a, b, static_cast<int64_t>(of), layer, scale);
        };
        const Tensor &first = saved[0], &second = saved[1];
        const bool for_first = context->needs_input_grad(0), for_second = context->needs_input_grad(1);
        switch (form) {
            case OUTPUT_OF_INPUT_AND_KERNEL:
                if (for_first) results[0] = derivative(INPUT_OF_OUTPUT_AND_KERNEL, upstream, second);
                if (for_second) results[1] = derivative(KERNEL_OF_INPUT_AND_OUTPUT, first, upstream);
                break;
            case INPUT_OF_OUTPUT_AND_KERNEL:
                if (for_first) results[0] = derivative(OUTPUT_OF_INPUT_AND_KERNEL, upstream, second);
                if (for_second) results[1] = derivative(KERNEL_OF_INPUT_AND_OUTPUT, upstream, first);
                break;
            default:
                if (for_first) results[0] = derivative(INPUT_OF_OUTPUT_AND_KERNEL, second, upstream);
                if (for_second) results[1] = derivative(OUTPUT_OF_INPUT_AND_KERNEL, first, upstream);
        }
        return results;
    }
};

}  // namespace

extern "C" {

void pg_set_bilinear_kernel(BilinearKernel kernel) { bilinear_kernel = kernel; }

// The result, or null with a message of malloc in `error`.
Tensor *pg_bilinear(const Tensor *first, const Tensor *second, int64_t form, int64_t layer, double scale, char **error) {
    try {
        return new Tensor(Bilinear::apply(*first, *second, form, layer, scale));
    } catch (const std::exception &e) {
        *error = strdup(e.what());
        return nullptr;
    }
}

// `body(context, begin, end)` over parts of 0..count, in libtorch's own threads. The body must not unwind.
void pg_parallel_for(int64_t count, void *context, void (*body)(void *, int64_t, int64_t)) {
    at::parallel_for(0, count, 1, [=](int64_t begin, int64_t end) { body(context, begin, end); });
}
}
