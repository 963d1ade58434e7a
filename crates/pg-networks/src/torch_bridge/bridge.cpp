// What tch has no binding for: nodes of the autograd graph whose kernel is ours, and what the processor can do.
//
// Everything crosses the border as pointers to at::Tensor on the heap, as in tch itself. Exceptions stop here.

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/leaky_relu_backward.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>
#include <optional>
#include <string>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// The three forms of <g, C(x, w)>, where C is linear in x and in w: each is the derivative of the two others.
enum Form : int64_t { OUTPUT_OF_INPUT_AND_KERNEL = 0, INPUT_OF_OUTPUT_AND_KERNEL = 1, KERNEL_OF_INPUT_AND_OUTPUT = 2 };

// What belongs to a form beside its tensors.
struct Layer {
    int64_t sampling;
    double scale;
    // Of the output form only: its result goes through the leaky rectifier.
    int64_t rectified;
};

// Of the form, with the two tensors it takes, and for the output form a bias or null; a new tensor, or null where it
// refuses them.
using BilinearKernel = Tensor *(*)(int64_t form, const Layer *layer, const Tensor *first, const Tensor *second,
                                   const Tensor *bias);
// Pixel norm of `[...,C]`, or with a gradient the gradient of its input.
using PixelNormKernel = Tensor *(*)(const Tensor *x, const Tensor *gradient);

// Of `[N,H,W,C]`, each pixel with its neighbours: a symmetric matrix.
using BlurKernel = Tensor *(*)(const Tensor *x);

// Tensors of a style: features `[N,H,W,C]`; noise `[N,1,H,W]` or `[1,1,H,W]` and its strength `[C]`, or null both; bias
// `[C]`; style `[N,2C]`.
struct Styled {
    const Tensor *x, *noise, *strength, *bias, *style;
};
// The styled features, with the numbers that the gradients need in `statistics`; null where shapes do not fit.
using StyleKernel = Tensor *(*)(const Styled *tensors, Tensor **statistics);
// Gradients of x, of the style, and of bias and strength `[2,C]`; false where shapes do not fit.
using StyleGradients = bool (*)(const Styled *tensors, const Tensor *statistics, const Tensor *gradient,
                                Tensor **results);

BilinearKernel bilinear_kernel = nullptr;
PixelNormKernel pixel_norm_kernel = nullptr;
BlurKernel blur_kernel = nullptr;
StyleKernel style_kernel = nullptr;
StyleGradients style_gradients = nullptr;

constexpr double NEGATIVE_SLOPE = 0.2;
constexpr double PIXEL_NORM_EPSILON = 1e-8;
constexpr double INSTANCE_NORM_EPSILON = 1e-8;

Tensor owned(Tensor *result) {
    Tensor tensor = std::move(*result);
    delete result;
    return tensor;
}

struct Bilinear : torch::autograd::Function<Bilinear> {
    static Tensor forward(AutogradContext *context, const Tensor &first, const Tensor &second,
                          const std::optional<Tensor> &bias, int64_t form, int64_t sampling, double scale,
                          bool rectified) {
        at::NoGradGuard no_grad;
        const Layer layer{sampling, scale, rectified};
        Tensor *result = bilinear_kernel(form, &layer, &first, &second, bias.has_value() ? &*bias : nullptr);
        TORCH_CHECK(result != nullptr, "the convolution does not fit its tensors: ", first.sizes(), " and ",
                    second.sizes());
        Tensor output = owned(result);
        context->save_for_backward(rectified ? variable_list{first, second, output} : variable_list{first, second});
        context->saved_data["form"] = form;
        context->saved_data["sampling"] = sampling;
        context->saved_data["scale"] = scale;
        context->saved_data["rectified"] = rectified;
        context->saved_data["biased"] = bias.has_value();
        return output;
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const int64_t form = context->saved_data["form"].toInt();
        const int64_t sampling = context->saved_data["sampling"].toInt();
        const double scale = context->saved_data["scale"].toDouble();
        variable_list results(7);
        Tensor upstream = gradients[0];
        if (!upstream.defined()) {
            return results;
        }
        if (context->saved_data["rectified"].toBool()) {
            // The sign of what comes out is that of what went in.
            upstream = at::leaky_relu_backward(upstream, saved[2].detach(), NEGATIVE_SLOPE, true);
        }
        const auto derivative = [&](Form of, const Tensor &a, const Tensor &b) {
            return Bilinear::apply(a, b, std::optional<Tensor>(), static_cast<int64_t>(of), sampling, scale, false);
        };
        const Tensor &first = saved[0], &second = saved[1];
        const bool for_first = context->needs_input_grad(0), for_second = context->needs_input_grad(1);
        switch (form) {
            case OUTPUT_OF_INPUT_AND_KERNEL:
                if (for_first) results[0] = derivative(INPUT_OF_OUTPUT_AND_KERNEL, upstream, second);
                if (for_second) results[1] = derivative(KERNEL_OF_INPUT_AND_OUTPUT, first, upstream);
                // A bias that is not there is no input to the graph either.
                if (context->saved_data["biased"].toBool() && context->needs_input_grad(2)) results[2] = upstream.sum(at::IntArrayRef{0, 1, 2}, false, at::kFloat);
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

struct PixelNorm : torch::autograd::Function<PixelNorm> {
    static Tensor forward(AutogradContext *context, const Tensor &x) {
        at::NoGradGuard no_grad;
        context->save_for_backward({x});
        Tensor *result = pixel_norm_kernel(&x, nullptr);
        TORCH_CHECK(result != nullptr, "pixel norm takes f32 or bf16 on the CPU, not ", x.toString());
        return owned(result);
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const Tensor x = context->get_saved_variables()[0];
        if (!gradients[0].defined()) {
            return {Tensor()};
        }
        const Tensor gradient = gradients[0].contiguous();
        if (!at::GradMode::is_enabled()) {
            Tensor *result = pixel_norm_kernel(&x, &gradient);
            TORCH_CHECK(result != nullptr, "the gradient of pixel norm takes f32 or bf16 on the CPU");
            return {owned(result)};
        }
        // To be differentiated once more: the same in operations that libtorch can.
        const Tensor wide = x.to(at::kFloat), along = gradient.to(at::kFloat);
        const Tensor factor = (wide.square().mean(-1, true) + PIXEL_NORM_EPSILON).rsqrt();
        const Tensor y = wide * factor;
        return {(factor * (along - y * (along * y).mean(-1, true))).to(x.scalar_type())};
    }
};

struct Blur : torch::autograd::Function<Blur> {
    static Tensor forward(AutogradContext *, const Tensor &x) {
        at::NoGradGuard no_grad;
        const Tensor whole = x.contiguous();
        Tensor *result = blur_kernel(&whole);
        TORCH_CHECK(result != nullptr, "blur takes images [N,H,W,C] of f32 or bf16 on the CPU, not ", x.toString());
        return owned(result);
    }

    static variable_list backward(AutogradContext *, variable_list gradients) {
        return {gradients[0].defined() ? Blur::apply(gradients[0]) : Tensor()};
    }
};

struct Style : torch::autograd::Function<Style> {
    static Tensor forward(AutogradContext *context, const Tensor &x, const std::optional<Tensor> &noise,
                          const std::optional<Tensor> &strength, const Tensor &bias, const Tensor &style) {
        at::NoGradGuard no_grad;
        const Tensor whole = style.contiguous();
        const Tensor values = noise.has_value() ? noise->contiguous() : Tensor();
        const bool noisy = noise.has_value() && strength.has_value();
        const Styled tensors{&x, noisy ? &values : nullptr, noisy ? &*strength : nullptr, &bias, &whole};
        Tensor *statistics = nullptr;
        Tensor *result = style_kernel(&tensors, &statistics);
        TORCH_CHECK(result != nullptr, "a style takes features [N,H,W,C] of f32 or bf16 on the CPU and [N,2C], not ",
                    x.sizes(), " and ", style.sizes());
        context->save_for_backward({x, values, noisy ? *strength : Tensor(), bias, whole, owned(statistics)});
        return owned(result);
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const Tensor &x = saved[0], &noise = saved[1], &strength = saved[2], &bias = saved[3], &style = saved[4];
        variable_list results(5);
        if (!gradients[0].defined()) {
            return results;
        }
        const bool noisy = noise.defined();
        const Tensor gradient = gradients[0].contiguous();
        if (!at::GradMode::is_enabled()) {
            const Styled tensors{&x, noisy ? &noise : nullptr, noisy ? &strength : nullptr, &bias, &style};
            Tensor *made[3] = {};
            TORCH_CHECK(style_gradients(&tensors, &saved[5], &gradient, made), "the gradient of a style has the shape ",
                        gradient.sizes());
            results[0] = owned(made[0]);
            results[4] = owned(made[1]);
            const Tensor numbers = owned(made[2]);
            results[3] = numbers[0];
            if (noisy) results[2] = numbers[1];
            return results;
        }
        // To be differentiated once more: the same in operations that libtorch can.
        variable_list inputs{x, bias, style};
        if (noisy) inputs.push_back(strength);
        variable_list wanted;
        for (const Tensor &input : inputs) {
            if (input.requires_grad()) wanted.push_back(input);
        }
        const Tensor y = composed(x, noise, strength, bias, style);
        auto found = torch::autograd::grad({y}, wanted, {gradient}, true, true, true);
        size_t next = 0;
        const size_t places[] = {0, 3, 4, 2};
        for (size_t k = 0; k < inputs.size(); ++k) {
            if (inputs[k].requires_grad()) results[places[k]] = found[next++];
        }
        return results;
    }

    static Tensor composed(const Tensor &x, const Tensor &noise, const Tensor &strength, const Tensor &bias,
                           const Tensor &style) {
        Tensor a = x.to(at::kFloat);
        if (noise.defined()) {
            a = a + noise.permute({0, 2, 3, 1}) * strength;
        }
        a = at::leaky_relu(a + bias, NEGATIVE_SLOPE);
        a = a - a.mean({1, 2}, true);
        a = a * (a.square().mean({1, 2}, true) + INSTANCE_NORM_EPSILON).rsqrt();
        const auto parts = style.unsqueeze(1).unsqueeze(1).chunk(2, 3);
        return (a * (parts[0] + 1.0) + parts[1]).to(x.scalar_type());
    }
};

template <typename Body>
Tensor *caught(char **error, Body body) {
    try {
        return new Tensor(body());
    } catch (const std::exception &e) {
        *error = strdup(e.what());
        return nullptr;
    }
}

}  // namespace

extern "C" {

void pg_set_kernels(BilinearKernel bilinear, PixelNormKernel pixel_norm, BlurKernel blur, StyleKernel style,
                    StyleGradients gradients_of_style) {
    style_kernel = style;
    style_gradients = gradients_of_style;
    bilinear_kernel = bilinear;
    pixel_norm_kernel = pixel_norm;
    blur_kernel = blur;
}

// The result, or null with a message of malloc in `error`; `bias` may be null.
Tensor *pg_bilinear(const Tensor *first, const Tensor *second, const Tensor *bias, int64_t form, const Layer *layer,
                    char **error) {
    return caught(error, [&] {
        const auto optional_bias = bias == nullptr ? std::optional<Tensor>() : std::optional<Tensor>(*bias);
        return Bilinear::apply(*first, *second, optional_bias, form, layer->sampling, layer->scale,
                               layer->rectified != 0);
    });
}

Tensor *pg_pixel_norm(const Tensor *x, char **error) {
    return caught(error, [&] { return PixelNorm::apply(*x); });
}

Tensor *pg_blur(const Tensor *x, char **error) {
    return caught(error, [&] { return Blur::apply(*x); });
}

Tensor *pg_styled(const Styled *tensors, char **error) {
    return caught(error, [&] {
        const auto given = [](const Tensor *t) { return t == nullptr ? std::optional<Tensor>() : std::optional<Tensor>(*t); };
        return Style::apply(*tensors->x, given(tensors->noise), given(tensors->strength), *tensors->bias,
                            *tensors->style);
    });
}

// Whether CUDA may round the factors of f32 products to TF32.
void pg_allow_tf32(bool allowed) {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
}

// Whether the processor multiplies tiles of bf16.
bool pg_multiplies_tiles() {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    const auto found = capabilities.find("amx_bf16");
    return found != capabilities.end() && found->second.toBool();
}
}
